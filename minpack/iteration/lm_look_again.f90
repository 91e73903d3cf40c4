!> Whether a fit that has ended, or creeps, should begin anew.
module minpack_lm_look_again
    use minpack_constants, only: largest
    use minpack_info, only: info_jacobian_not_finite, info_maxfev, info_running
    use minpack_kinds, only: ip, wp
    use minpack_lm_propose_box, only: lm_propose_box
    use minpack_lm_start_box, only: lm_start_box
    use minpack_lm_types, only: lm_begin, lm_control, lm_state
    implicit none
    private
    public :: lm_look_again

    ! At the end of a fit that has converged, at least one of these holds:
    !> the cosine of the angle between f and every column of J is at most this (so it is at minima, where residuals are
    !> large and J is nearly singular, although steps promise much there);
    real(wp), parameter :: oblique = 1.0e-3_wp
    !> the first step of a new fit promises to reduce ‖f‖² by at most this fraction, or is at most this fraction of ‖D x‖
    !> long (so it is where residuals are nothing but rounding).
    real(wp), parameter :: promise = 1.0e-4_wp
    !> Having begun anew once, a fit must have reduced ‖f‖² by this fraction to do it again.
    real(wp), parameter :: gain = 0.1_wp

    !> While it runs, a fit is looked at after so many accepted steps,
    integer(ip), parameter :: patience = 50_ip
    !> and begins anew where the weight of one parameter against another, in D, is more than this times what the columns
    !> of J would now make it.
    real(wp), parameter :: stale = 100.0_wp

contains

    !> Looks at the first step of a fit that begins at x, and has the fit begin anew there where that promises much.
    !>
    !> The scaling only ever grows. After columns that were very long at the beginning it keeps steps so short that the
    !> tests on ftol and xtol are met far from any minimum; or they were met because differences near x = 0 had made a
    !> Jacobian of noise, or because the first step bound was that of a start next to 0. A fit that begins anew takes its
    !> scaling from the Jacobian at x, and its step bound from the Gauss-Newton step.
    !>
    !> Called after lm_start, too, it does the same for a fit that creeps.
    pure subroutine lm_look_again(control, n, r, ldr, ipvt, qtf, acnorm, x, lower, upper, diag, state, renewed, &
                                  goes_on, fresh_diag, trial, step, side, place, work) bind(c, name="lm_look_again_")
        type(lm_control), intent(in) :: control
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; the strict lower one is scratch
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(in) :: x(n) !! the iterate
        real(wp), intent(in) :: lower(n), upper(n) !! the bounds, infinite where there are none
        real(wp), intent(inout) :: diag(n) !! diagonal of D; on return a new one where the fit begins anew
        type(lm_state), intent(inout) :: state !! on return as if a step had just been taken where the fit begins anew
        real(wp), intent(inout) :: renewed !! ‖f‖ where the fit last began anew; 0 where it never did
        integer(ip), intent(out) :: goes_on !! 1 or 0
        real(wp), intent(out) :: fresh_diag(n), trial(n), step(n) !! scratch
        integer(ip), intent(out) :: side(n), place(n, 2) !! scratch
        real(wp), intent(out) :: work(n, *) !! scratch of lm_propose_box

        type(lm_state) :: fresh
        logical :: runs

        goes_on = 0
        runs = state%info == info_running
        if (runs .and. .not. is_due(state)) return
        if (any(state%info == [info_maxfev, info_jacobian_not_finite])) return
        if (renewed > 0) then ! noise can make a step promise much each time, and gain next to nothing
            if ((state%fnorm/renewed)**2 > 1 - gain) return
        end if

        fresh = lm_begin(state%fnorm)
        fresh_diag = diag
        call lm_start_box(control, n, r, ldr, ipvt, qtf, acnorm, x, lower, upper, fresh_diag, fresh, side, trial)
        if (fresh%info /= info_running .or. fresh%gnorm <= oblique) return
        if (runs .and. maxval(diag/fresh_diag) <= stale*minval(diag/fresh_diag)) return
        fresh%delta = sqrt(largest)
        call lm_propose_box(n, r, ldr, ipvt, qtf, fresh_diag, x, lower, upper, fresh, trial, step, side, place, work)
        if (.not. (fresh%prered > promise .and. fresh%pnorm > promise*fresh%xnorm)) return

        goes_on = 1
        renewed = state%fnorm
        diag = fresh_diag
        state = fresh
        state%par = 0
        state%iteration = 2 ! lest lm_start choose scaling and step bound
    end subroutine lm_look_again

    !> Whether a fit has just taken another so many steps.
    pure logical function is_due(state)
        type(lm_state), intent(in) :: state

        is_due = state%iteration > 1 .and. mod(state%iteration - 1, patience) == 0
    end function is_due

end module minpack_lm_look_again
