!> The record of a fit, and how it begins.
module minpack_fit_types
    use minpack_constants, only: largest, mode_user_scaling
    use minpack_info, only: info_ftol, info_gtol, info_jacobian_not_finite, info_residuals_not_finite, info_running, is_over, &
                            needs_factor, needs_look
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: begin_anew, close_fit, is_proper, lm_begin

    ! Values of `differences`.
    integer(ip), parameter, public :: forward = 1_ip, central = 2_ip, careful = 3_ip

#define FIT_REAL(name, meaning) real(wp) :: name = 0
#define FIT_INT(name, meaning) integer(ip) :: name = 0
    type, bind(c), public :: lm_fit
#include "fit.def"
    end type lm_fit

    ! Values of `wall`: whether residuals that are not finite may keep Δ short.
    integer(ip), parameter, public :: wall_none = 0_ip !! they don't
    integer(ip), parameter, public :: wall_passed = 1_ip !! they were met, and a step has been accepted since
    integer(ip), parameter, public :: wall_met = 2_ip !! they were met, and no step has been accepted since

    ! Values of `retreat`.
    integer(ip), parameter, public :: retreat_unseen = 0_ip !! no Jacobian has been looked at
    integer(ip), parameter, public :: retreat_none = 1_ip !! there is nothing to go back from
    integer(ip), parameter, public :: retreat_noticed = 2_ip !! a column has evaporated, and has not come back
    integer(ip), parameter, public :: retreat_outward = 3_ip !! the fit is about to be where it was before
    integer(ip), parameter, public :: retreat_tries = 4_ip !! it has gone on from there
    integer(ip), parameter, public :: retreat_homeward = 5_ip !! that came to nothing: it is about to be at its first end
    integer(ip), parameter, public :: retreat_done = 6_ip !! nothing more is to be done

    !> Relative spacing of single precision numbers: the next guess at the error of residuals that turn out to be coarser
    !> than double precision.
    real(wp), parameter, public :: single_precision = real(epsilon(1.0), wp)

contains

    !> The record before the first Jacobian, the caller's choices being in it.
    pure subroutine lm_begin(fit, fnorm) bind(c, name="lm_begin_")
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: fnorm !! ‖f‖ at the start

        call begin_anew(fit, fnorm)
        fit%highest = fnorm
        fit%order = fit%differences
        fit%offset = -1
        fit%independence = -1
        fit%noise = largest
        fit%claim = 0
        fit%restart_norm = 0
        fit%jacobian_is_at_x = 0
        fit%stage = needs_factor
        if (fnorm <= largest) return
        fit%info = info_residuals_not_finite
        fit%stage = is_over
    end subroutine lm_begin

    !> Forgets what the iteration has learnt, but not how much has been done.
    pure subroutine begin_anew(fit, fnorm)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: fnorm !! ‖f‖ at x

        fit%fnorm = fnorm
        fit%xnorm = 0
        fit%delta = 0
        fit%par = 0
        fit%gnorm = 0
        fit%pnorm = 0
        fit%prered = 0
        fit%dirder = 0
        fit%iteration = 1
        fit%info = info_running
        fit%accepted = 0
        fit%wall = wall_none
    end subroutine begin_anew

    !> Says what comes next where a test has ended the fit: nothing, or with restarts the factorization at the solution, for a
    !> look there and for the statistics of its caller.
    pure subroutine close_fit(fit)
        type(lm_fit), intent(inout) :: fit

        fit%stage = merge(needs_factor, is_over, (fit%restarts /= 0 .or. fit%claim /= 0) &
                          .and. fit%info /= info_jacobian_not_finite)
        if (fit%certifies == 0 .or. fit%claim /= 0 .or. fit%info < info_ftol .or. fit%info > info_gtol) return
        if (fit%restarts == 0) then
            fit%stage = needs_look ! what there is may be enough
        else if (fit%differences /= 0 .and. fit%precision > 0) then
            fit%differences = careful ! of this Jacobian statistics are to be made
            fit%jacobian_is_at_x = 0
        end if
    end subroutine close_fit

    !> Whether a driver can start from its arguments.
    pure logical function is_proper(fit, ldfjac, least_ldfjac, diag)
        type(lm_fit), intent(in) :: fit !! sizes, tolerances, limit, scaling
        integer(ip), intent(in) :: ldfjac, least_ldfjac !! leading dimension, and what it has to be
        real(wp), intent(in) :: diag(*) !! the n scale factors, looked at where they are the user's

        is_proper = fit%n > 0 .and. fit%m >= fit%n .and. ldfjac >= least_ldfjac .and. fit%maxfev > 0 &
                    .and. fit%ftol >= 0 .and. fit%xtol >= 0 .and. fit%gtol >= 0 .and. fit%factor > 0
        if (is_proper .and. fit%mode == mode_user_scaling) is_proper = all(diag(1:fit%n) > 0)
    end function is_proper

end module minpack_fit_types
