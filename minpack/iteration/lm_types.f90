!> What a Levenberg-Marquardt iteration is told, what it remembers, and how it begins.
module minpack_lm_types
    use minpack_constants, only: largest, mode_user_scaling
    use minpack_info, only: info_residuals_not_finite, info_running
    use minpack_kinds, only: ip, lp, wp
    implicit none
    private
    public :: lm_begin, lm_begin_in_place, lm_is_proper

    !> The caller's choices, which stay as they are.
    type, bind(c), public :: lm_control
        real(wp) :: ftol !! tolerance on relative reductions of the sum of squares
        real(wp) :: xtol !! tolerance on the step bound relative to ‖D x‖
        real(wp) :: gtol !! tolerance on the cosine between f and a column of J
        real(wp) :: factor !! first step bound relative to ‖D x‖
        integer(ip) :: maxfev !! evaluations of the residuals at most
        integer(ip) :: mode !! mode_internal_scaling or mode_user_scaling
    end type lm_control

    !> Everything that one trial step leaves for the next, but the vectors. Symbols as in Moré (1978).
    type, bind(c), public :: lm_state
        real(wp) :: fnorm !! ‖f‖ at x
        real(wp) :: xnorm !! ‖D x‖
        real(wp) :: delta !! Δ, the step bound
        real(wp) :: par !! λ, the damping parameter
        real(wp) :: gnorm !! largest cosine of the angle between f and a column of J
        real(wp) :: pnorm !! ‖D p‖, p being the last trial step
        real(wp) :: prered !! predicted relative reduction of ‖f‖² by p
        real(wp) :: dirder !! half the relative slope of ‖f‖² along p
        integer(ip) :: iteration !! 1 until the first step is accepted
        integer(ip) :: info !! info_running, or why the fit has ended
        logical(lp) :: accepted !! whether the last trial step was taken
        integer(ip) :: wall !! whether residuals that are not finite may keep Δ short: one of those below
    end type lm_state

    integer(ip), parameter, public :: wall_none = 0_ip !! they don't
    integer(ip), parameter, public :: wall_passed = 1_ip !! they were met, and a step has been accepted since
    integer(ip), parameter, public :: wall_met = 2_ip !! they were met, and no step has been accepted since

contains

    !> The state before the first Jacobian.
    pure function lm_begin(fnorm) result(state)
        real(wp), intent(in) :: fnorm !! ‖f‖ at the start
        type(lm_state) :: state

        state = lm_state(fnorm=fnorm, xnorm=0, delta=0, par=0, gnorm=0, pnorm=0, prered=0, dirder=0, &
                         iteration=1, info=info_running, accepted=.false._lp, wall=wall_none)
        if (.not. fnorm <= largest) state%info = info_residuals_not_finite
    end function lm_begin

    !> The same for a caller that can't take a derived type as a function's result.
    pure subroutine lm_begin_in_place(fnorm, state) bind(c, name="lm_begin_")
        real(wp), intent(in) :: fnorm !! ‖f‖ at the start
        type(lm_state), intent(out) :: state

        state = lm_begin(fnorm)
    end subroutine lm_begin_in_place

    !> Whether a driver can start from its arguments.
    pure logical function lm_is_proper(m, n, ldfjac, least_ldfjac, control, diag)
        integer(ip), intent(in) :: m, n !! residuals and parameters
        integer(ip), intent(in) :: ldfjac, least_ldfjac !! leading dimension, and what it has to be
        type(lm_control), intent(in) :: control
        real(wp), intent(in) :: diag(*) !! the n scale factors, looked at where they are the user's

        lm_is_proper = n > 0 .and. m >= n .and. ldfjac >= least_ldfjac .and. control%maxfev > 0 &
                       .and. control%ftol >= 0 .and. control%xtol >= 0 .and. control%gtol >= 0 &
                       .and. control%factor > 0
        if (lm_is_proper .and. control%mode == mode_user_scaling) lm_is_proper = all(diag(1:n) > 0)
    end function lm_is_proper

end module minpack_lm_types
