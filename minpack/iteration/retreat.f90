!> The way back from a plateau.
!>
!> A step may be too long and yet reduce ‖f‖², and take a parameter to where the residuals no longer follow it: of a saturation
!> 1 - exp(-b t), b to 1000. Nothing there leads back. So a fit remembers the last x at which all columns of J were about as long as
!> they have ever been, and notices where one has evaporated since. If it has no success then, it goes back, once, with a step bound
!> that is a small part of that way. It ends where ‖f‖ is less, of the two ends.
module minpack_retreat
    use minpack_constants, only: largest, mode_internal_scaling
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: begin_anew, lm_fit, retreat_done, retreat_homeward, retreat_none, retreat_noticed, &
                                 retreat_outward, retreat_tries, retreat_unseen
    use minpack_info, only: has_stepped, info_ftol, info_gtol, info_no_minimum, info_runaway, info_running, &
                            info_uncertain, is_over, needs_factor, needs_norm
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: arrive, go_home, leave, watch

    ! minpack/README.md has the experiment behind these three.

    !> A fit goes back to the last x where each column of J had this part of the largest length that it has had.
    real(wp), parameter :: telling = 0.9_wp
    !> A column that is shorter than it was by this has evaporated.
    real(wp), parameter :: evaporated = 1.0e-6_wp
    !> Step bound of the second try, relative to the way from there to where a column had evaporated.
    real(wp), parameter :: shorter = 1.0e-2_wp
    !> The size of a parameter is its own, or what changes the model by this part of its terms.
    real(wp), parameter :: telling_part = 1.0e-3_wp
    !> Evaluations without which no fit goes back: there, a step, and back again.
    integer(ip), parameter :: least_left = 3_ip

    ! Columns of `refuge`.
    integer(ip), parameter :: sound = 1_ip !! the last x at which no column was much shorter than before
    integer(ip), parameter :: lengths = 2_ip !! the largest norms of the columns, up to there
    integer(ip), parameter :: end = 3_ip !! x where the fit went back
    integer(ip), parameter, public :: sizes = 4_ip !! of the parameters, when the residuals were first seen to follow them

contains

    !> Takes notice of the columns of J at x.
    pure subroutine watch(fit, n, r, ldr, ipvt, acnorm, diag, x, refuge, wa)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: ldr, ipvt(n) !! as lm_next has them, like the next
        real(wp), intent(in) :: r(ldr, n), acnorm(n), diag(n), x(n)
        real(wp), intent(inout) :: refuge(n, *) !! what is remembered
        real(wp), intent(out) :: wa(n) !! scratch

        real(wp) :: least, longest, most, share
        integer(ip) :: j

        if (fit%retreat == retreat_unseen) refuge(:, lengths) = 0
        if (fit%independence < 0) refuge(:, sizes) = largest
        least = 1
        do j = 1, n
            if (.not. abs(r(j, j)) >= least*acnorm(ipvt(j))) least = abs(r(j, j))/acnorm(ipvt(j))
        end do
        if (least > fit%independence) fit%independence = least
        wa = acnorm*x
        most = telling_part*enorm(n, wa)
        do j = 1, n
            if (refuge(j, sizes) == largest .and. acnorm(j) > 0) refuge(j, sizes) = max(abs(x(j)), most/acnorm(j))
        end do
        least = 1
        most = 0
        do j = 1, n
            longest = max(acnorm(j), refuge(j, lengths))
            if (longest == 0) cycle
            share = acnorm(j)/longest
            least = min(least, share)
            most = max(most, share)
        end do
        fit%is_flat = merge(1_ip, 0_ip, least < evaporated*most)
        if (fit%retreat > retreat_noticed) return
        if (least > telling) then
            refuge(:, sound) = x
            refuge(:, lengths) = max(acnorm, refuge(:, lengths))
            fit%retreat = retreat_none
        else if (fit%retreat == retreat_none .and. least < evaporated) then
            fit%retreat = retreat_noticed
            wa = merge(refuge(:, lengths), diag, fit%mode == mode_internal_scaling)*(x - refuge(:, sound))
            fit%retreat_bound = shorter*enorm(n, wa)
        end if
    end subroutine watch

    !> Where a fit is over: whether it goes back, or returns to the end that it had before.
    pure subroutine leave(fit, n, x, diag, trial, refuge)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n) !! the iterate
        real(wp), intent(inout) :: diag(n), trial(n) !! diagonal of D; where f is wanted, if anywhere
        real(wp), intent(inout) :: refuge(n, *) !! what is remembered

        if (fit%retreat == retreat_tries) then
            fit%maxfev = fit%maxfev + 1
            fit%retreat = retreat_done
            if (is_better()) return
            fit%retreat = retreat_homeward
            trial = refuge(:, end)
        else if (fit%retreat == retreat_noticed .and. fit%maxfev - fit%nfev >= least_left .and. &
                 any(fit%info == [info_uncertain, info_no_minimum, info_runaway]) .and. .not. is_to_be_compared()) then
            fit%maxfev = fit%maxfev - 1 ! for the way back
            fit%retreat = retreat_outward
            fit%end_norm = fit%fnorm
            fit%end_offset = fit%offset
            fit%end_differences = fit%differences
            fit%end_claim = fit%claim
            fit%end_info = fit%info
            fit%info = info_running
            fit%claim = 0
            refuge(:, end) = x
            trial = refuge(:, sound)
            if (fit%mode == mode_internal_scaling) diag = merge(refuge(:, lengths), 1.0_wp, refuge(:, lengths) > 0)
        else
            return
        end if
        fit%stage = needs_norm

    contains

        !> Whether the caller has yet to compare a given Jacobian with differences, by which x may be a minimum.
        pure logical function is_to_be_compared()
            is_to_be_compared = fit%differences == 0 .and. fit%restarts /= 0 .and. fit%info /= info_runaway
        end function is_to_be_compared

        !> Whether the second end is: a success may be as high as the first end, any other one is lower by more than the tolerance.
        pure logical function is_better()
            is_better = fit%fnorm < (1 - fit%ftol)*fit%end_norm
            if (fit%info >= info_ftol .and. fit%info <= info_gtol) is_better = fit%fnorm <= fit%end_norm
        end function is_better

    end subroutine leave

    !> Takes in ‖f‖ where `leave` wanted it.
    pure subroutine arrive(fit, n, diag, trial, norm, x, wa)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: diag(n), trial(n), norm !! as lm_take_norm has them, like the next
        real(wp), intent(inout) :: x(n), wa(n)

        logical :: is_first

        is_first = fit%retreat == retreat_outward
        fit%is_above = 0
        fit%accepted = 0
        fit%stage = is_over
        fit%retreat = retreat_done
        if (norm <= largest) then
            x = trial
            fit%fnorm = norm
            fit%stage = has_stepped
            fit%jacobian_is_at_x = 0
            fit%noise = largest
            fit%doubt = -1 ! steps that are right there are none here
            fit%nit = fit%nit + 1
        end if
        if (is_first .and. norm <= largest) then
            call begin_anew(fit, norm)
            if (norm > fit%end_norm) fit%is_above = 1
            wa = diag*x
            fit%xnorm = enorm(n, wa)
            fit%delta = fit%retreat_bound
            fit%iteration = 2 ! lest scaling and step bound be chosen once more
            fit%restart_norm = 0
            fit%offset = -1
            fit%differences = fit%order
            fit%retreat = retreat_tries
        else if (is_first .or. norm <= largest) then ! it stands by the end that it had before
            fit%offset = fit%end_offset
            fit%differences = fit%end_differences
            fit%claim = fit%end_claim
            fit%info = fit%end_info
        end if
        if (norm <= largest) fit%accepted = 1
    end subroutine arrive

    !> Takes a fit that is to be stopped to the end that it had before, if x is better there; its Jacobian is not known there then.
    pure subroutine go_home(fit, n, x, refuge) bind(c, name="go_home_")
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(inout) :: x(n) !! the iterate
        real(wp), intent(in) :: refuge(n, *) !! what is remembered

        if (fit%is_above == 0) return
        x = refuge(:, end)
        call begin_anew(fit, fit%end_norm)
        fit%differences = fit%end_differences
        fit%jacobian_is_at_x = 0
        fit%doubt = -1
        fit%noise = largest
        fit%offset = -1
        fit%is_above = 0
        fit%maxfev = fit%maxfev + 1
        fit%retreat = retreat_done
        fit%stage = needs_factor
    end subroutine go_home

end module minpack_retreat
