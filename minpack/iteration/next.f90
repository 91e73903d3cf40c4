!> The iteration, by reverse communication: what it wants next.
module minpack_next
    use minpack_accelerate, only: is_worthwhile, look_ahead
    use minpack_certify, only: can_be_certified, certify
    use minpack_fit_types, only: close_fit, lm_fit, retreat_done, retreat_none, retreat_unseen
    use minpack_info, only: ended, has_stepped, info_running, is_over, needs_curvature, needs_factor, needs_look, needs_norm, &
                            needs_trial, took_step, want_curvature, want_factor, want_norm
    use minpack_kinds, only: ip, wp
    use minpack_propose, only: propose
    use minpack_restart, only: restart
    use minpack_retreat, only: leave, watch
    implicit none
    private
    public :: lm_next

contains

    !> Says what a fit wants next: want_factor, want_norm, want_curvature, took_step or ended (codes.def).
    !>
    !> The iteration needs two kinds of facts alone: the factorization of J at x, and ‖f‖ at a trial point; and where the fit
    !> accelerates a third one, how f changes along a step. Whoever has them runs a fit by this loop, and takes no decision:
    !>
    !>     call lm_begin(fit, ‖f(x)‖)
    !>     do
    !>         call lm_next(fit, ..., wanted)
    !>         want_factor:    call lm_take_factor(fit, ...)      J at x; where jacobian_is_at_x, the one that is there
    !>         want_norm:      call lm_take_norm(fit, ...)        f at trial
    !>         want_curvature: call lm_take_curvature(fit, ...)   Qᵀ(f at trial - f at x)
    !>         took_step:      f at trial is now f at x
    !>         ended:          exit
    !>     end do
    !>
    !> Between two calls the record, x, diag, trial and the factorization are all that there is of a fit, and where it accelerates
    !> step. A caller that failed to bring what was wanted may ask again.
    pure subroutine lm_next(fit, n, r, ldr, ipvt, qtf, acnorm, diag, x, lower, upper, wanted, trial, step, wa1, wa2, side, &
                            place, box, refuge) bind(c, name="lm_next_")
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; the strict lower one is scratch
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J; read with restarts, and where ends are certified
        real(wp), intent(inout) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: x(n) !! the iterate, within the bounds
        real(wp), intent(in) :: lower(n), upper(n) !! the bounds, infinite where there are none; not read unless boxed
        integer(ip), intent(out) :: wanted
        real(wp), intent(inout) :: trial(n) !! the trial point, for want_norm and want_curvature
        real(wp), intent(inout) :: step(n) !! the step that is proposed
        real(wp), intent(inout) :: wa1(n), wa2(n) !! scratch
        integer(ip), intent(inout) :: side(*), place(*) !! scratch where there are bounds: n and 2 n numbers
        real(wp), intent(inout) :: box(n, *) !! scratch: n + 9 columns where there are bounds, else one with restarts
        real(wp), intent(inout) :: refuge(n, *) !! 4 columns where ends are certified: what retreat.f90 remembers

        logical :: begins

        if (fit%stage == needs_look) then
            if (fit%certifies /= 0 .and. fit%jacobian_is_at_x /= 0) call watch(fit, n, r, ldr, ipvt, acnorm, diag, x, refuge, wa1)
            begins = .false.
            if (fit%restarts /= 0 .and. fit%claim == 0 .and. .not. can_be_certified(fit)) then
                call restart(fit, n, r, ldr, ipvt, qtf, acnorm, x, lower, upper, diag, begins, &
                             box(1, merge(n + 9, 1_ip, fit%boxed /= 0)), trial, step, wa1, wa2, side, place, box)
            end if
            if (begins .and. fit%retreat == retreat_none) fit%retreat = retreat_unseen
            if (begins .or. fit%info == info_running .and. fit%claim == 0) then
                fit%stage = needs_trial
            else
                call certify(fit, n, r, ldr, ipvt, qtf, acnorm, diag, x, lower, upper, &
                             box(1, merge(n + 9, 1_ip, fit%boxed /= 0)), trial, step, wa1, wa2, side, place, box, refuge)
            end if
        end if

        if (fit%certifies /= 0) then
            if (fit%stage == needs_trial) call watch(fit, n, r, ldr, ipvt, acnorm, diag, x, refuge, wa1)
            if (fit%stage == is_over) call leave(fit, n, x, diag, trial, refuge)
        end if

        select case (fit%stage)
        case (needs_factor)
            wanted = want_factor
        case (needs_trial)
            call propose(fit, n, r, ldr, ipvt, qtf, diag, x, lower, upper, trial, step, wa1, wa2, side, place, box)
            fit%stage = needs_norm
            wanted = want_norm
            if (fit%accelerates > 0) then
                if (is_worthwhile(fit)) then
                    call look_ahead(fit, n, x, lower, upper, step, trial)
                    fit%stage = needs_curvature
                    wanted = want_curvature
                end if
            end if
        case (needs_curvature)
            wanted = want_curvature
        case (needs_norm)
            wanted = want_norm
        case (has_stepped)
            wanted = took_step
            fit%stage = needs_factor
            if (fit%info /= info_running .and. fit%retreat /= retreat_done) call close_fit(fit)
        case default
            wanted = ended
        end select
    end subroutine lm_next

end module minpack_next
