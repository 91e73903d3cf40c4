!> The decision about the trial points of many fits.
module minpack_decide_many
    use minpack_constants, only: largest, machine_precision
    use minpack_decide, only: lm_decide
    use minpack_fates, only: goes_alone, is_done, wants_factor, wants_look, wants_norm, wants_trial
    use minpack_fit_types, only: begin_anew, careful, lm_begin, lm_fit
    use minpack_info, only: info_ftol, info_ftol_and_xtol, info_ftol_too_small, info_running, info_xtol_too_small
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: decide_many, make_sure

    !> Accepted steps after which least_squares looks whether a fit creeps (steps_between_looks of take_factor.f90). Such a fit goes
    !> on alone.
    integer(ip), parameter :: most_steps = 50_ip
    !> A success has no larger offset (certify.f90).
    real(wp), parameter, public :: small_offset = 1.0e-3_wp
    !> Squares of shorter residuals begin to underflow.
    real(wp), parameter :: shortest = 1.0e-140_wp

contains

    !> Takes in ‖f‖ at the trial points: lm_decide's decision for each fit, or its beginning. Where there is none to be made
    !> here, as at an end that is no test's, the fit goes alone.
    pure subroutine decide_many(m, n, w, fits, norms, xnorms, trial, moved, x, f, fates) bind(c, name="decide_many_")
        integer(ip), intent(in) :: m, n, w !! points, parameters, fits
        type(lm_fit), intent(inout) :: fits(w)
        real(wp), intent(in) :: norms(w), xnorms(w) !! ‖f‖ and ‖D x‖ at the trial points
        real(wp), intent(in) :: trial(w, n), moved(w, m) !! the trial points, and the residuals there
        real(wp), intent(inout) :: x(w, n), f(w, m) !! the iterates, and the residuals there
        integer(ip), intent(inout) :: fates(w)

        integer(ip) :: i, k
        logical :: moves(w)

        do i = 1, w
            moves(i) = .false.
            if (fates(i) /= wants_norm) cycle
            if (fits(i)%stage == 0) then
                call begin(fits(i), norms(i), fates(i))
                moves(i) = .true.
            else
                fits(i)%nfev = fits(i)%nfev + 1
                call lm_decide(norms(i), xnorms(i), fits(i))
                moves(i) = fits(i)%accepted /= 0
                if (moves(i)) fits(i)%nit = fits(i)%nit + 1
                call go_on(fits(i), norms(i), fates(i))
            end if
        end do
        do k = 1, n
            do i = 1, w
                x(i, k) = merge(trial(i, k), x(i, k), moves(i))
            end do
        end do
        do k = 1, m
            do i = 1, w
                f(i, k) = merge(moved(i, k), f(i, k), moves(i))
            end do
        end do
    end subroutine decide_many

    !> A fit at its start.
    pure subroutine begin(fit, norm, fate)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: norm !! ‖f‖
        integer(ip), intent(out) :: fate

        fate = goes_alone
        fit%nfev = fit%nfev + 1
        if (.not. norm <= largest .or. norm <= shortest .or. fit%nfev >= fit%maxfev) return
        call lm_begin(fit, norm)
        fate = wants_factor
    end subroutine begin

    !> Where a test has been met: the fit begins anew from x, to make sure that it is an end.
    pure subroutine make_sure(fit, fate)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(out) :: fate

        fate = goes_alone
        if (fit%nfev >= fit%maxfev) return
        fit%claim = fit%info
        if (fit%differences /= 0) fit%differences = careful
        call begin_anew(fit, fit%fnorm)
        fate = wants_look
    end subroutine make_sure

    !> What comes next after a decision.
    pure subroutine go_on(fit, norm, fate)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: norm !! ‖f‖ at the trial point
        integer(ip), intent(out) :: fate

        logical :: were_misleading

        fate = wants_trial
        if (fit%accepted /= 0) fate = merge(wants_factor, wants_look, fit%claim == 0)
        if (fit%claim /= 0 .and. (fit%info == info_ftol_too_small .or. fit%info == info_xtol_too_small)) then
            ! Nothing more is to be gained: the offset at x tells whether that is an end.
            if (fit%accepted == 0) fate = merge(is_done, goes_alone, fit%offset <= small_offset)
        else if (fit%info /= info_running) then
            fate = goes_alone
            were_misleading = fit%iteration == 1 .and. fit%prered > sqrt(machine_precision) ! as decide.f90 has it
            if (fit%claim == 0 .and. fit%info >= info_ftol .and. fit%info <= info_ftol_and_xtol &
                .and. .not. were_misleading) call make_sure(fit, fate)
        else if (fit%iteration > most_steps) then
            fate = goes_alone
        end if
        if (norm <= shortest .and. .not. (norm == 0 .and. fate == wants_look)) fate = goes_alone
    end subroutine go_on

end module minpack_decide_many
