!> Last decision of an iteration: what the trial step was worth, and whether the fit is over.
module minpack_decide
    use minpack_constants, only: accept_ratio, credible_ratio, grow_ratio, largest, machine_precision, &
                                 sharpest_cut, shrink_ratio
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: begin_anew, close_fit, lm_fit, retreat_homeward, retreat_outward, single_precision, wall_met, &
                                 wall_none, wall_passed
    use minpack_info, only: has_stepped, info_ftol, info_ftol_and_xtol, info_ftol_too_small, info_gtol_too_small, &
                            info_maxfev, info_running, info_xtol, info_xtol_too_small, needs_factor, needs_trial
    use minpack_kinds, only: ip, wp
    use minpack_retreat, only: arrive
    implicit none
    private
    public :: lm_decide, lm_take_norm

    !> Steps that may be accepted though noise hides what they are worth: the first brings what there is to gain.
    integer(ip), parameter :: most_blind = 3_ip

contains

    !> Takes in ‖f‖ at the trial point that lm_next wanted.
    pure subroutine lm_take_norm(fit, n, diag, trial, norm, x, wa) bind(c, name="lm_take_norm_")
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: diag(n) !! diagonal of D
        real(wp), intent(in) :: trial(n) !! the trial point
        real(wp), intent(in) :: norm !! ‖f‖ there; NaN counts as infinite
        real(wp), intent(inout) :: x(n) !! the iterate; on return the trial point where it was accepted
        real(wp), intent(inout) :: wa(n) !! scratch

        fit%nfev = fit%nfev + 1
        if (fit%retreat == retreat_outward .or. fit%retreat == retreat_homeward) then
            call arrive(fit, n, diag, trial, norm, x, wa)
            return
        end if
        wa = diag*trial
        call lm_decide(norm, enorm(n, wa), fit)
        if (fit%accepted /= 0) then
            x = trial
            if (fit%fnorm <= fit%end_norm) fit%is_above = 0
            fit%nit = fit%nit + 1
            fit%jacobian_is_at_x = 0
            fit%stage = has_stepped
        else if (fit%info == info_running) then
            fit%stage = needs_trial
        else if (fit%differences == 1 .and. were_misleading(fit)) then
            fit%precision = single_precision
            fit%precision_known = 1
            call begin_anew(fit, fit%fnorm)
            fit%jacobian_is_at_x = 0
            fit%stage = needs_factor
        else
            call close_fit(fit)
        end if
    end subroutine lm_take_norm

    !> Accepts or rejects the trial point, sets Δ and λ for the next one, and tests for the end. Scalars alone decide, so that
    !> many fits can be decided on side by side.
    !>
    !> Residuals that aren't finite count as infinitely long: their step is rejected and Δ shrinks. A step bound that is short
    !> for that reason is no sign of convergence: the tests on ftol and xtol wait until a step is taken that shows that
    !> something else limits it.
    !>
    !> In the notation of Moré (1978), section 4: `actred` and `prered` are the actual and the predicted relative reduction,
    !> `ratio` is ρ, `delta` Δ, `par` λ.
    elemental subroutine lm_decide(norm, xnorm, fit)
        real(wp), intent(in) :: norm !! ‖f‖ at the trial point; NaN counts as infinite
        real(wp), intent(in) :: xnorm !! ‖D x‖ there
        type(lm_fit), intent(inout) :: fit

        real(wp) :: actred, ratio
        logical :: comparable, finite, limited

        finite = norm <= largest
        limited = fit%par > 0
        comparable = .false.
        if (finite) comparable = sharpest_cut*norm < fit%fnorm
        actred = -1
        if (comparable) actred = 1 - (norm/fit%fnorm)**2
        ratio = 0
        if (fit%prered /= 0) ratio = actred/fit%prered
        fit%gain = ratio

        call set_bound(actred, ratio, comparable, fit)

        fit%accepted = 0
        if (finite .and. (ratio >= accept_ratio .or. is_hidden(actred, fit))) then
            if (ratio < accept_ratio) fit%blind = fit%blind + 1
            fit%accepted = 1
            fit%xnorm = xnorm
            fit%fnorm = norm
            fit%iteration = fit%iteration + 1
        end if

        call watch_wall(finite, limited, ratio, fit)
        call test_end(actred, ratio, fit)
    end subroutine lm_decide

    !> Whether noise that is known of hides what a full step was worth, while a fit makes sure of its end: then its length and
    !> direction are to be trusted more than the sums of squares.
    elemental logical function is_hidden(actred, fit)
        real(wp), intent(in) :: actred !! actual reduction
        type(lm_fit), intent(in) :: fit

        real(wp) :: noise

        noise = 2*min(fit%noise, 10*fit%precision*fit%highest)/fit%fnorm
        is_hidden = fit%claim /= 0 .and. fit%blind < most_blind .and. fit%precision > machine_precision .and. fit%par == 0 &
                    .and. max(abs(actred), fit%prered) <= noise
    end function is_hidden

    !> Δ and λ for the next step.
    elemental subroutine set_bound(actred, ratio, comparable, fit)
        real(wp), intent(in) :: actred, ratio !! actual reduction, and over the predicted one
        logical, intent(in) :: comparable !! false where ‖f‖ grew tenfold or more
        type(lm_fit), intent(inout) :: fit

        real(wp) :: cut

        if (ratio <= shrink_ratio) then
            cut = 0.5_wp
            if (actred < 0) cut = 0.5_wp*fit%dirder/(fit%dirder + 0.5_wp*actred)
            if (.not. comparable .or. cut < sharpest_cut) cut = sharpest_cut
            fit%delta = cut*min(fit%delta, fit%pnorm/sharpest_cut)
            fit%par = fit%par/cut
        else if (fit%par == 0 .or. ratio >= grow_ratio) then
            fit%delta = 2*fit%pnorm
            fit%par = 0.5_wp*fit%par
        end if
    end subroutine set_bound

    !> Notes where residuals weren't finite, and when that ceases to matter: where a step is taken that Δ didn't
    !> limit; or where, a step having been taken since, Δ isn't to grow although residuals were finite, so that
    !> it is the model that limits it. Steps so small that rounding decides on their ratio tell nothing.
    elemental subroutine watch_wall(finite, limited, ratio, fit)
        logical, intent(in) :: finite !! whether the residuals at the trial point were
        logical, intent(in) :: limited !! whether Δ limited the step
        real(wp), intent(in) :: ratio !! actual over predicted reduction
        type(lm_fit), intent(inout) :: fit

        if (.not. finite) then
            fit%wall = wall_met
            return
        end if
        if (fit%accepted /= 0) fit%wall = merge(wall_none, min(fit%wall, wall_passed), .not. limited)
        if (fit%wall == wall_passed .and. ratio < grow_ratio .and. fit%prered > sqrt(machine_precision)) then
            fit%wall = wall_none
        end if
    end subroutine watch_wall

    !> The tests for convergence, then those for a fit that can't get any further.
    elemental subroutine test_end(actred, ratio, fit)
        real(wp), intent(in) :: actred, ratio !! actual reduction, and over the predicted one
        type(lm_fit), intent(inout) :: fit

        logical :: small_bound, small_reduction

        if (fit%claim /= 0) then
            call test_second_end(actred, ratio, fit)
            return
        end if
        small_reduction = reductions_within(fit%ftol, actred, ratio, fit)
        small_bound = fit%delta <= fit%xtol*fit%xnorm
        if (fit%wall == wall_none .and. (small_reduction .or. small_bound)) then
            if (.not. small_bound) then
                fit%info = info_ftol
            else if (.not. small_reduction) then
                fit%info = info_xtol
            else
                fit%info = info_ftol_and_xtol
            end if
            return
        end if

        if (fit%nfev >= fit%maxfev) fit%info = info_maxfev
        if (reductions_within(machine_precision, actred, ratio, fit)) fit%info = info_ftol_too_small
        if (fit%delta <= machine_precision*fit%xnorm) fit%info = info_xtol_too_small
        if (fit%gnorm <= machine_precision) fit%info = info_gtol_too_small
    end subroutine test_end

    !> The tests where an end is made sure of: whether anything can be gained yet. Rounding decides on reductions that are
    !> smaller than that of ‖f‖².
    elemental subroutine test_second_end(actred, ratio, fit)
        real(wp), intent(in) :: actred, ratio !! actual reduction, and over the predicted one
        type(lm_fit), intent(inout) :: fit

        if (reductions_within(4*max(fit%rounding/fit%fnorm, machine_precision), actred, ratio, fit)) then
            fit%info = info_ftol_too_small
        else if (fit%delta <= machine_precision*fit%xnorm) then
            fit%info = info_xtol_too_small
        else if (fit%nfev >= fit%maxfev) then
            fit%info = info_maxfev
        end if
    end subroutine test_second_end

    !> Whether both reductions are within a tolerance, and the model is not far off.
    elemental logical function reductions_within(tolerance, actred, ratio, fit)
        real(wp), intent(in) :: tolerance
        real(wp), intent(in) :: actred, ratio !! actual reduction, and over the predicted one
        type(lm_fit), intent(in) :: fit

        reductions_within = abs(actred) <= tolerance .and. fit%prered <= tolerance &
                            .and. ratio <= credible_ratio
    end function reductions_within

    !> Whether a fit ends where it began although the differences promised a reduction that rounding can't hide: then it is the
    !> differences that are wrong, not the start that is a minimum.
    elemental logical function were_misleading(fit)
        type(lm_fit), intent(in) :: fit !! at its end

        were_misleading = fit%precision > 0 .and. fit%precision <= machine_precision .and. fit%info /= info_maxfev &
                          .and. fit%iteration == 1 .and. fit%wall == wall_none .and. fit%prered > sqrt(machine_precision)
    end function were_misleading

end module minpack_decide
