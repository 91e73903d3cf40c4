!> Third of the three decisions of an iteration: what the trial step was worth, and whether the fit is over.
module minpack_lm_judge
    use minpack_constants, only: accept_ratio, credible_ratio, grow_ratio, largest, machine_precision, &
                                 sharpest_cut, shrink_ratio
    use minpack_enorm, only: enorm
    use minpack_info
    use minpack_kinds, only: ip, wp
    use minpack_lm_types, only: lm_control, lm_state, wall_met, wall_none, wall_passed
    implicit none
    private
    public :: lm_judge

contains

    !> Takes or rejects the trial point, sets Δ and λ for the next one, and tests for the end.
    !>
    !> Residuals that aren't finite count as infinitely long: their step is rejected and Δ shrinks. A step bound
    !> that is short for that reason is no sign of convergence: the tests on ftol and xtol wait until a step is
    !> taken that shows that something else limits it.
    pure subroutine lm_judge(control, n, diag, trial, trial_norm, nfev, x, state, wa) &
            bind(c, name="lm_judge_")
        type(lm_control), intent(in) :: control
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: trial(n) !! the trial point
        real(wp), intent(in) :: trial_norm !! ‖f‖ there; NaN counts as infinite
        integer(ip), intent(in) :: nfev !! evaluations so far
        real(wp), intent(inout) :: x(n) !! the iterate; on return the trial point where it was accepted
        type(lm_state), intent(inout) :: state
        real(wp), intent(out) :: wa(n) !! scratch

        real(wp) :: actred, ratio
        logical :: finite, limited

        finite = trial_norm <= largest
        limited = state%par > 0
        actred = -1
        if (finite) then
            if (sharpest_cut*trial_norm < state%fnorm) actred = 1 - (trial_norm/state%fnorm)**2
        end if
        ratio = 0
        if (state%prered /= 0) ratio = actred/state%prered

        call set_bound(actred, ratio, finite .and. sharpest_cut*trial_norm < state%fnorm, state)

        state%accepted = finite .and. ratio >= accept_ratio
        if (state%accepted) then
            x = trial
            wa = diag*x
            state%xnorm = enorm(n, wa)
            state%fnorm = trial_norm
            state%iteration = state%iteration + 1
        end if

        call watch_wall(finite, limited, ratio, state)
        call test_end(control, actred, ratio, nfev, state)
    end subroutine lm_judge

    !> Δ and λ for the next step.
    pure subroutine set_bound(actred, ratio, comparable, state)
        real(wp), intent(in) :: actred, ratio !! actual reduction, and over the predicted one
        logical, intent(in) :: comparable !! false where ‖f‖ grew tenfold or more
        type(lm_state), intent(inout) :: state

        real(wp) :: cut

        if (ratio <= shrink_ratio) then
            cut = 0.5_wp
            if (actred < 0) cut = 0.5_wp*state%dirder/(state%dirder + 0.5_wp*actred)
            if (.not. comparable .or. cut < sharpest_cut) cut = sharpest_cut
            state%delta = cut*min(state%delta, state%pnorm/sharpest_cut)
            state%par = state%par/cut
        else if (state%par == 0 .or. ratio >= grow_ratio) then
            state%delta = 2*state%pnorm
            state%par = 0.5_wp*state%par
        end if
    end subroutine set_bound

    !> Notes where residuals weren't finite, and when that ceases to matter: where a step is taken that Δ didn't
    !> limit; or where, a step having been taken since, Δ isn't to grow although residuals were finite, so that
    !> it is the model that limits it. Steps so small that rounding decides on their ratio tell nothing.
    pure subroutine watch_wall(finite, limited, ratio, state)
        logical, intent(in) :: finite !! whether the residuals at the trial point were
        logical, intent(in) :: limited !! whether Δ limited the step
        real(wp), intent(in) :: ratio !! actual over predicted reduction
        type(lm_state), intent(inout) :: state

        if (.not. finite) then
            state%wall = wall_met
            return
        end if
        if (state%accepted) state%wall = merge(wall_none, min(state%wall, wall_passed), .not. limited)
        if (state%wall == wall_passed .and. ratio < grow_ratio .and. state%prered > sqrt(machine_precision)) then
            state%wall = wall_none
        end if
    end subroutine watch_wall

    !> The tests for convergence, then those for a fit that can't get any further.
    pure subroutine test_end(control, actred, ratio, nfev, state)
        type(lm_control), intent(in) :: control
        real(wp), intent(in) :: actred, ratio !! actual reduction, and over the predicted one
        integer(ip), intent(in) :: nfev !! evaluations so far
        type(lm_state), intent(inout) :: state

        logical :: small_bound, small_reduction

        small_reduction = reductions_within(control%ftol, actred, ratio, state)
        small_bound = state%delta <= control%xtol*state%xnorm
        if (state%wall == wall_none .and. (small_reduction .or. small_bound)) then
            if (.not. small_bound) then
                state%info = info_ftol
            else if (.not. small_reduction) then
                state%info = info_xtol
            else
                state%info = info_ftol_and_xtol
            end if
            return
        end if

        if (nfev >= control%maxfev) state%info = info_maxfev
        if (reductions_within(machine_precision, actred, ratio, state)) state%info = info_ftol_too_small
        if (state%delta <= machine_precision*state%xnorm) state%info = info_xtol_too_small
        if (state%gnorm <= machine_precision) state%info = info_gtol_too_small
    end subroutine test_end

    !> Whether both reductions are within a tolerance, and the model is not far off.
    pure logical function reductions_within(tolerance, actred, ratio, state)
        real(wp), intent(in) :: tolerance
        real(wp), intent(in) :: actred, ratio !! actual reduction, and over the predicted one
        type(lm_state), intent(in) :: state

        reductions_within = abs(actred) <= tolerance .and. state%prered <= tolerance &
                            .and. ratio <= credible_ratio
    end function reductions_within

end module minpack_lm_judge
