!> Fits of two parameters for the Fortran-level tests: records, and the loop of next.f90 with scratch of its own.
module fits
    use minpack_callbacks, only: jacobian_function
    use minpack_constants, only: mode_internal_scaling
    use minpack_decide, only: lm_take_norm
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: lm_begin, lm_fit
    use minpack_info, only: ended, took_step, want_factor, want_norm
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: lm_factor
    use minpack_lm_solve, only: driver_fit
    use minpack_next, only: lm_next
    use minpack_propose, only: propose
    use minpack_take_factor, only: lm_take_factor
    implicit none
    private
    public :: begun, look, run, step_of

contains

    !> A fit at its beginning, of 2 parameters.
    pure function begun(fnorm, boxed, restarts) result(fit)
        real(wp), intent(in) :: fnorm !! ‖f‖
        logical, intent(in) :: boxed, restarts !! whether there are bounds, and restarts
        type(lm_fit) :: fit

        fit = driver_fit(2_ip, 2_ip, 1.0e-10_wp, 1.0e-10_wp, 0.0_wp, 500_ip, mode_internal_scaling, 100.0_wp)
        fit%boxed = merge(1_ip, 0_ip, boxed)
        fit%restarts = merge(1_ip, 0_ip, restarts)
        call lm_begin(fit, fnorm)
    end function begun

    !> What `propose` gives.
    subroutine step_of(fit, r, ipvt, qtf, diag, x, lower, upper, trial, step)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: r(2, 2), qtf(2), diag(2), x(2), lower(2), upper(2)
        integer(ip), intent(in) :: ipvt(2)
        real(wp), intent(out) :: trial(2), step(2)

        real(wp) :: full(2, 2), wa1(2), wa2(2), box(2, 2 + 9)
        integer(ip) :: side(2), place(4)

        full = r
        call propose(fit, 2_ip, full, 2_ip, ipvt, qtf, diag, x, lower, upper, trial, step, wa1, wa2, side, place, box)
    end subroutine step_of

    !> What lm_next wants of a fit with residuals (3, 4) and the unit matrix for a Jacobian.
    subroutine look(fit, diag, wanted)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(inout) :: diag(2)
        integer(ip), intent(out) :: wanted

        real(wp), parameter :: far(2) = huge(1.0_wp), one(2) = 1
        real(wp) :: r(2, 2), trial(2), step(2), wa1(2), wa2(2), box(2, 2 + 9), refuge(2, 4)
        integer(ip) :: side(2), place(4)

        r = reshape([1.0_wp, 0.0_wp, 0.0_wp, 1.0_wp], [2, 2])
        call lm_next(fit, 2_ip, r, 2_ip, [1_ip, 2_ip], [3.0_wp, 4.0_wp], one, diag, one, -far, far, wanted, trial, step, &
                     wa1, wa2, side, place, box, refuge)
    end subroutine look

    !> The loop of next.f90, to the end. It asks for everything twice, as a caller may whose function failed.
    subroutine run(fcn, m, x, f, diag, lower, upper, boxed, restarts, fit)
        procedure(jacobian_function) :: fcn
        integer(ip), intent(in) :: m
        real(wp), intent(inout) :: x(2)
        real(wp), intent(out) :: f(m), diag(2)
        real(wp), intent(in) :: lower(2), upper(2)
        logical, intent(in) :: boxed, restarts
        type(lm_fit), intent(out) :: fit

        real(wp) :: fjac(m, 2), moved(m), qtf(2), acnorm(2), trial(2), step(2), wa1(2), wa2(2), box(2, 2 + 9), &
                    refuge(2, 4)
        integer(ip) :: iflag, ipvt(2), side(2), place(4), wanted, again

        iflag = 1
        fjac = 0
        qtf = 0
        acnorm = 0
        diag = 1
        ipvt = [1_ip, 2_ip]
        call fcn(m, 2_ip, x, f, fjac, m, iflag)
        fit = begun(enorm(m, f), boxed, restarts)
        fit%m = m
        do
            call lm_next(fit, 2_ip, fjac, m, ipvt, qtf, acnorm, diag, x, lower, upper, wanted, trial, step, wa1, wa2, side, &
                         place, box, refuge)
            if (wanted /= took_step) then
                call lm_next(fit, 2_ip, fjac, m, ipvt, qtf, acnorm, diag, x, lower, upper, again, trial, step, wa1, wa2, &
                             side, place, box, refuge)
                if (again /= wanted) error stop 'lm_next has changed its mind'
            end if
            select case (wanted)
            case (want_factor)
                if (fit%jacobian_is_at_x == 0) then
                    iflag = 2
                    call fcn(m, 2_ip, x, f, fjac, m, iflag)
                    moved = f
                    call lm_factor(m, 2_ip, fjac, m, ipvt, moved, qtf, acnorm, wa1, wa2)
                end if
                call lm_take_factor(fit, 2_ip, fjac, m, ipvt, qtf, acnorm, x, lower, upper, diag, wa1, wa2)
            case (want_norm)
                iflag = 1
                call fcn(m, 2_ip, trial, moved, fjac, m, iflag)
                call lm_take_norm(fit, 2_ip, diag, trial, enorm(m, moved), x, wa1)
            case (took_step)
                f = moved
            case (ended)
                exit
            end select
        end do
    end subroutine run

end module fits
