!> Whether the end of a fit is one.
!>
!> MINPACK's tests compare steps with ‖D x‖ and reductions with ‖f‖², and both can be met far from any minimum. What tells is the
!> relative offset of Bates and Watts (Technometrics 23 (1981) 179-183),
!>
!>     offset = (‖Q₁ᵀf‖/√n)/(‖Q₂ᵀf‖/√(m - n)),   ‖Q₁ᵀf‖ = ‖qtf‖,   ‖Q₂ᵀf‖² = ‖f‖² - ‖qtf‖²,
!>
!> the distance to the minimum of the linear model in units of the radius of the confidence region, whatever the units and the
!> origins of parameters. It is as good as J. So a fit whose tests are met goes on from there, as a new one with J by careful
!> differences (careful.f90), until its offset is small, or nothing can be gained any more.
module minpack_certify
    use minpack_arrived, only: look_for_arrival
    use minpack_careful, only: careful_state, lengthen
    use minpack_constants, only: largest, machine_precision, mode_internal_scaling
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: begin_anew, careful, lm_fit, retreat_unseen
    use minpack_retreat, only: sizes
    use minpack_info, only: info_ftol, info_gtol, info_jacobian_not_finite, info_maxfev, info_no_minimum, &
                            info_runaway, info_running, info_uncertain, is_over, needs_factor, needs_trial
    use minpack_kinds, only: ip, wp
    use minpack_propose, only: propose
    implicit none
    private
    public :: can_be_certified, certify, look_again

    !> An offset up to this is a success: x is nearer to the minimum than a thousandth of the standard errors.
    real(wp), parameter :: small_offset = 1.0e-3_wp
    !> What is aimed at, at the default tolerances: six digits of NIST's parameters, of which the most uncertain need it.
    real(wp), parameter :: least_offset = 1.0e-7_wp, offset_by_tolerance = 10.0_wp
    !> A fit with tolerances above this is meant to end early.
    real(wp), parameter :: fine_tolerance = 1.0e-4_wp
    !> Differences are beyond doubt where they change residuals by at least this part of ‖f‖ at the start, and at most by that.
    real(wp), parameter :: least_change = 1.0e3_wp*machine_precision, most_change = 1.0e-3_wp
    !> The same where the fit goes on only if the end is likely to be none: errors of J are then up to a hundredth.
    real(wp), parameter :: least_telling = 1.0e2_wp*machine_precision, most_telling = 1.0e-2_wp
    !> Errors of a Jacobian up to this let it say whether an offset is small.
    real(wp), parameter :: certain = 2.0e-3_wp
    !> Steps after which a small offset is good enough, though it is not what is aimed at: where residuals are large and bend, it
    !> falls by a factor next to 1.
    integer(ip), parameter :: patience = 30_ip
    !> A column this much shorter than it has been is that of a parameter that has ceased to matter. 1e-8 does as well; with 1e-4
    !> fits go back that had better not.
    real(wp), parameter :: evaporated = 1.0e-6_wp
    !> So has one that depends on others now, is so many times its size at the start, and has been independent, by this sine.
    real(wp), parameter :: far = 1.0e6_wp, independent = 1.0e-3_wp
    !> Columns that differ by no more than this times the doubt about them may be the same.
    real(wp), parameter :: margin = 30.0_wp
    !> Terms of the model that are this much larger than the residuals at the start cancel.
    real(wp), parameter :: cancellation = 1.0e2_wp
    !> Where columns that differ by this may be the same, too many may be: none is left out.
    real(wp), parameter :: blurred = 1.0e-3_wp
    !> How far the linear model can be believed, relative to ‖D x‖ and to ‖f‖.
    real(wp), parameter :: reach = 0.1_wp
    !> Residuals that are no longer than this many roundings of those at the start are nothing but rounding.
    real(wp), parameter :: roundings = 10.0_wp

contains

    !> Looks at the end of a fit, or, where that is being made sure of, at the point that the fit has come to: it is over, or goes
    !> on.
    pure subroutine certify(fit, n, r, ldr, ipvt, qtf, acnorm, diag, x, lower, upper, new_diag, trial, step, wa1, wa2, &
                            side, place, box, refuge)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them, like all that follows
        real(wp), intent(inout) :: r(ldr, n)
        real(wp), intent(in) :: qtf(n), acnorm(n), diag(n), x(n), lower(n), upper(n)
        real(wp), intent(inout) :: new_diag(n), trial(n), step(n), wa1(n), wa2(n)
        integer(ip), intent(inout) :: side(*), place(*)
        real(wp), intent(inout) :: box(n, *)
        real(wp), intent(in) :: refuge(n, *)

        logical :: can_go_on, doubtful, has_left, is_sure

        fit%stage = is_over
        if (fit%fnorm <= roundings*credible_rounding(fit)) then ! there is nothing left but rounding
            if (fit%claim /= 0) fit%info = fit%claim
            return
        end if
        doubtful = are_doubtful(fit, n, acnorm, x)
        if (fit%differences == 0 .and. doubtful .and. fit%restarts /= 0) then ! its caller compares J with differences
            if (fit%claim == 0) fit%claim = fit%info
            fit%info = info_uncertain
            return
        else if (fit%claim /= 0 .and. fit%differences == 0 .and. doubtful .and. fit%nfev < fit%maxfev) then
            call make_sure(fit, fit%claim, .true.)
            return
        end if
        can_go_on = fit%claim == 0 .or. fit%info == info_running
        fit%explained = explained_by(fit, n, r, ldr, ipvt, qtf, acnorm, can_go_on)
        if (fit%explained > 0 .and. (fit%boxed /= 0 .or. .not. can_go_on)) then
            call look_within(fit, n, r, ldr, ipvt, qtf, acnorm, diag, x, lower, upper, new_diag, trial, step, wa1, wa2, side, &
                             place, box, merge(sqrt(largest), reach, can_go_on))
        end if
        fit%offset = offset_by(fit, n, fit%explained**2)
        has_left = .false.
        if (fit%certifies /= 0) has_left = has_run_away(fit, n, r, ldr, ipvt, acnorm, diag, x, refuge)
        is_sure = fit%differences == 0 .or. fit%differences == careful ! other differences may be wrong
        if (fit%claim == 0) then
            call look_at_first_end(fit, acnorm, doubtful .or. has_left .and. .not. is_sure, has_left .and. is_sure)
        else if (fit%info == info_running) then
            call look_on_the_way(fit, n, r, ldr, ipvt, qtf, x, wa1, has_left .and. is_sure)
        else if (fit%info /= info_maxfev) then
            call look_at_second_end(fit, acnorm, has_left .and. is_sure)
        end if
    end subroutine certify

    !> Where a test has ended the fit for the first time: whether that stands.
    pure subroutine look_at_first_end(fit, acnorm, doubtful, has_left)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: acnorm(fit%n) !! norms of the columns of J
        logical, intent(in) :: doubtful, has_left !! whether J may be wrong; what has_run_away says

        real(wp) :: goal

        if (.not. can_be_certified(fit)) return
        if (see_all(fit, acnorm) .and. left_of_offset(fit) <= small_offset) return
        if (has_left) then
            fit%info = info_runaway
            return
        end if
        goal = merge(aim(fit), small_offset, fit%restarts /= 0)
        if (left_of_offset(fit) <= goal .and. .not. doubtful) return
        if (fit%nfev >= fit%maxfev) then
            if (fit%offset > small_offset .or. doubtful) fit%info = info_maxfev
            return
        end if
        call make_sure(fit, fit%info, doubtful .or. fit%differences /= 0)
    end subroutine look_at_first_end

    !> Where a fit goes on to make sure of its end: whether it has got there.
    pure subroutine look_on_the_way(fit, n, r, ldr, ipvt, qtf, x, wa, has_left)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them, like the next
        real(wp), intent(in) :: r(ldr, n), qtf(n), x(n)
        real(wp), intent(out) :: wa(n) !! scratch
        logical, intent(in) :: has_left !! as above

        logical :: is_there

        fit%stage = needs_trial
        if (fit%nfev >= fit%maxfev) then
            fit%info = info_maxfev
            fit%stage = is_over
            if (fit%offset <= small_offset .and. fit%doubt <= certain) fit%info = fit%claim
            return
        end if
        if (fit%doubt > certain) return
        is_there = .not. fit%offset > aim(fit)
        if (.not. is_there .and. fit%offset <= small_offset) then
            call look_for_arrival(fit, n, r, ldr, ipvt, qtf, x, wa, is_there)
            if (fit%iteration > patience) is_there = .true.
        end if
        if (.not. is_there) return
        fit%info = merge(info_runaway, fit%claim, has_left)
        fit%stage = is_over
    end subroutine look_on_the_way

    !> Where no step gains anything any more: whether that is an end.
    pure subroutine look_at_second_end(fit, acnorm, has_left)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(in) :: acnorm(fit%n) !! norms of the columns of J
        logical, intent(in) :: has_left !! as above

        if (fit%differences /= careful .and. fit%precision == 0 .and. fit%order /= 0) then
            fit%info = merge(fit%claim, info_uncertain, see_all(fit, acnorm))
        else if ((fit%offset <= small_offset .or. is_noise(fit)) .and. fit%doubt <= certain) then
            fit%info = merge(info_runaway, fit%claim, has_left)
        else if (fit%differences == 0 .and. fit%restarts == 0 .and. fit%nfev < fit%maxfev) then
            ! J may be wrong, and nobody else will compare it with differences.
            call make_sure(fit, fit%claim, .true.)
        else if (fit%doubt > certain .and. fit%differences == careful .and. fit%searches == 0 .and. fit%nfev < fit%maxfev) then
            ! Steps that were found where the residuals had more of a slope may be too short to see here that they have none.
            fit%searches = 1
            fit%doubt = -1
            fit%jacobian_is_at_x = 0
            fit%info = info_running
            fit%stage = needs_factor
            fit%delta = fit%factor*fit%xnorm
            fit%par = 0
        else if (fit%doubt > certain .and. fit%precision == 0 .and. fit%order /= 0) then
            ! Noise hides the slope from differences, but perhaps not from those of the caller, who may know it.
            fit%differences = fit%order
            fit%doubt = 0
            fit%jacobian_is_at_x = 0
            fit%info = fit%claim
            fit%stage = needs_factor
        else if (fit%doubt > certain) then
            fit%info = info_uncertain
        else
            fit%info = merge(info_runaway, info_no_minimum, cancels(fit))
        end if
    end subroutine look_at_second_end

    !> Whether differences are by steps of the caller's, and see an effect of each parameter.
    pure logical function see_all(fit, acnorm)
        type(lm_fit), intent(in) :: fit
        real(wp), intent(in) :: acnorm(fit%n) !! norms of the columns of J

        see_all = fit%precision == 0 .and. fit%differences /= 0 .and. fit%differences /= careful .and. all(acnorm > 0)
    end function see_all

    !> Whether the terms of the model are far larger than the model has been, so that they cancel: parameters that it can't tell from one
    !> another have run away together.
    pure logical function cancels(fit)
        type(lm_fit), intent(in) :: fit

        cancels = fit%rounding > cancellation*machine_precision*max(fit%highest, fit%terms)
    end function cancels

    !> The offset at x, by J there or, where a step was taken with J, by what that step has left of it: of a full step of Gauss and
    !> Newton |1 - gain|, as the gradient falls by this factor where curvature is left out of the model.
    pure real(wp) function left_of_offset(fit)
        type(lm_fit), intent(in) :: fit

        left_of_offset = fit%offset
        if (fit%jacobian_is_at_x == 0 .and. fit%par == 0) left_of_offset = fit%offset*min(abs(1 - fit%gain), 1.0_wp)
    end function left_of_offset

    !> The rounding of f: by the terms that J makes of x where J is right. Differences that are yet to be looked at may have made columns
    !> of any length, across a jump: there it is no more than by what f was at the start. Of those that are known to be wrong
    !> nothing is believed.
    pure real(wp) function credible_rounding(fit)
        type(lm_fit), intent(in) :: fit

        credible_rounding = fit%rounding
        if (fit%differences == 0) return
        if (fit%differences /= careful) then
            credible_rounding = min(fit%rounding, machine_precision*fit%highest)
        else if (fit%doubt > certain) then
            credible_rounding = 0
        end if
    end function credible_rounding

    !> Whether the residuals have ceased to follow a parameter that they have followed before, at least in a way of its own: its column
    !> is far shorter than it was; or it depends on others, as it did not before, and that far away.
    pure logical function has_run_away(fit, n, r, ldr, ipvt, acnorm, diag, x, refuge)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them
        real(wp), intent(in) :: r(ldr, n)
        real(wp), intent(in) :: acnorm(n), diag(n) !! norms of the columns of J; and where scaling is MINPACK's, the longest so far
        real(wp), intent(in) :: x(n), refuge(n, *) !! as lm_next has them

        real(wp), parameter :: no_scale = 1 !! of a parameter whose column has always been zeros

        logical :: is_short
        real(wp) :: tol
        integer(ip) :: j, k

        has_run_away = .false.
        if (fit%differences == careful .and. (fit%doubt > certain .or. fit%still > 0)) return ! columns of zeros are those of a minimum
        is_short = fit%is_flat /= 0
        if (.not. is_short .and. fit%mode == mode_internal_scaling) then
            is_short = any(acnorm/diag < evaporated*maxval(acnorm/diag) .and. diag /= no_scale)
        end if
        tol = max(evaporated, error_of_jacobian(fit))
        do k = 1, n
            j = ipvt(k)
            if (is_short .and. abs(r(k, k)) <= evaporated*acnorm(j)) has_run_away = .true.
            if (fit%independence > independent .and. abs(r(k, k)) <= tol*acnorm(j) .and. abs(x(j))/far > refuge(j, sizes)) &
                has_run_away = .true.
        end do
    end function has_run_away

    !> Goes on from x, as a new fit.
    pure subroutine make_sure(fit, claim, by_differences)
        type(lm_fit), intent(inout) :: fit
        integer(ip), value :: claim !! info of the end
        logical, intent(in) :: by_differences !! whether J is to be had by careful differences

        call begin_anew(fit, fit%fnorm)
        fit%claim = claim
        fit%stage = needs_factor
        if (.not. by_differences .or. fit%differences == careful) return
        fit%differences = careful
        fit%jacobian_is_at_x = 0
    end subroutine make_sure

    !> Makes of a copy of a fit that has ended one look at x by careful differences, whatever Jacobian the fit had: it ends once
    !> they are taken, with info_ftol where x is a minimum by them. Another look takes longer steps.
    pure subroutine look_again(fit, n, states) bind(c, name="look_again_")
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(inout) :: states(careful_state, n) !! what is known of careful steps: 0 before the first look

        call begin_anew(fit, fit%fnorm)
        fit%claim = info_ftol
        fit%stage = needs_factor
        fit%retreat = retreat_unseen
        fit%given = 0
        fit%differences = careful
        fit%jacobian_is_at_x = 0
        fit%rounding = machine_precision*max(fit%highest, fit%fnorm) ! by that Jacobian it might be anything
        fit%maxfev = fit%nfev
        call lengthen(states)
    end subroutine look_again

    !> What offset is aimed at: a small part of the tolerances.
    pure real(wp) function aim(fit)
        type(lm_fit), intent(in) :: fit

        aim = min(max(least_offset, offset_by_tolerance*max(fit%ftol, fit%xtol)), small_offset)
    end function aim

    !> What the linear model explains within reach: with bounds, and no farther away than it can be believed. At a minimum with large
    !> residuals J may be singular, and the step that would explain all of f endless.
    pure subroutine look_within(fit, n, r, ldr, ipvt, qtf, acnorm, diag, x, lower, upper, new_diag, trial, step, wa1, wa2, &
                                side, place, box, farthest)
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them, like all that follows
        real(wp), intent(inout) :: r(ldr, n)
        real(wp), intent(in) :: qtf(n), acnorm(n), diag(n), x(n), lower(n), upper(n)
        real(wp), intent(inout) :: new_diag(n), trial(n), step(n), wa1(n), wa2(n)
        integer(ip), intent(inout) :: side(*), place(*)
        real(wp), intent(inout) :: box(n, *)

        real(wp), intent(in) :: farthest !! relative to ‖D x‖ and to ‖f‖

        type(lm_fit) :: new

        if (.not. all(acnorm <= largest)) return
        new = fit
        new%par = 0
        new%iteration = 2
        new_diag = merge(acnorm, diag, acnorm > 0)
        wa1 = new_diag*x
        new%delta = min(farthest*max(enorm(n, wa1), fit%fnorm), sqrt(largest))
        call propose(new, n, r, ldr, ipvt, qtf, new_diag, x, lower, upper, trial, step, wa1, wa2, side, place, box)
        fit%explained = min(fit%explained, sqrt(max(new%prered, 0.0_wp)))
    end subroutine look_within

    !> Whether a fit has ended with a success that is yet to be looked at.
    pure logical function can_be_certified(fit)
        type(lm_fit), intent(in) :: fit

        can_be_certified = fit%certifies /= 0 .and. fit%claim == 0 .and. fit%info >= info_ftol .and. fit%info <= info_gtol &
                           .and. fit%fnorm > 0 .and. fit%fnorm <= largest .and. max(fit%ftol, fit%xtol) <= fine_tolerance
    end function can_be_certified

    !> Whether differences by MINPACK's steps change the residuals by so little, or so much, that they may be wrong; or a given
    !> Jacobian says that a parameter as a whole changes nothing, as it does on a plateau, or at a minimum, or where it is wrong; that
    !> none does, where J is compared with differences in another place.
    pure logical function are_doubtful(fit, n, acnorm, x)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: acnorm(n), x(n) !! norms of the columns of J, and where

        logical :: are_dead(n)
        real(wp) :: change, eta, least, most
        integer(ip) :: j

        are_doubtful = .false.
        if (fit%differences == careful) are_doubtful = fit%doubt > certain
        if (fit%differences == 0) then
            are_dead = acnorm == 0 .or. (x /= 0 .and. acnorm*abs(x) < machine_precision*fit%fnorm)
            are_doubtful = merge(all(are_dead), any(are_dead), fit%restarts /= 0)
        end if
        if (fit%differences == 0 .or. fit%differences == careful) return
        are_doubtful = fit%precision == 0
        least = merge(least_change, least_telling, fit%restarts /= 0)
        most = merge(most_change, most_telling, fit%restarts /= 0)
        eta = max(fit%precision, machine_precision)**merge(0.5_wp, 1.0_wp/3, fit%differences == 1)
        do j = 1, n
            change = eta*merge(abs(x(j)), 1.0_wp, x(j) /= 0)*acnorm(j)
            if (.not. (change >= least*fit%highest .and. change <= most*fit%highest)) are_doubtful = .true.
        end do
    end function are_doubtful

    !> What part of f the linear model explains, ‖Q₁ᵀf‖/‖f‖. Columns that depend on others don't count: along them nothing is
    !> gained.
    pure real(wp) function explained_by(fit, n, r, ldr, ipvt, qtf, acnorm, can_go_on)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n, ldr, ipvt(n) !! as lm_next has them
        real(wp), intent(in) :: r(ldr, n), qtf(n), acnorm(n)
        logical, intent(in) :: can_go_on !! then columns that may be the same count: the next steps will tell

        real(wp) :: error, tol
        integer(ip) :: k

        tol = max(fit%m, n, 10_ip)*machine_precision
        error = error_of_jacobian(fit)
        if (fit%differences /= careful .or. .not. (can_go_on .or. cancels(fit) .or. error > blurred)) tol = max(tol, error)
        explained_by = 0
        do k = 1, n
            if (abs(r(k, k)) > tol*acnorm(ipvt(k))) explained_by = explained_by + (qtf(k)/fit%fnorm)**2
        end do
        explained_by = sqrt(min(explained_by, 1.0_wp))
    end function explained_by

    !> Relative error of the last Jacobian: twice that of a step as long as x, for all that differs from x; of careful differences
    !> as they are found to be.
    pure real(wp) function error_of_jacobian(fit)
        type(lm_fit), intent(in) :: fit

        select case (fit%differences)
        case (1)
            error_of_jacobian = 2*sqrt(max(fit%precision, machine_precision))
        case (2)
            error_of_jacobian = 2*max(fit%precision, machine_precision)**(2.0_wp/3)
        case (careful)
            error_of_jacobian = min(margin*max(fit%doubt, machine_precision**(2.0_wp/3)), 1.0_wp)
        case default
            error_of_jacobian = 0
        end select
    end function error_of_jacobian

    !> Where a fit has ended, and J isn't finite there: the end stands by the one before, as far as that tells.
    pure subroutine lose_jacobian(fit) bind(c, name="lose_jacobian_")
        type(lm_fit), intent(inout) :: fit

        if (fit%differences /= 0) then
            fit%info = info_uncertain
        else if (fit%claim /= 0) then
            fit%info = merge(fit%claim, info_uncertain, fit%offset >= 0 .and. fit%offset <= small_offset)
        end if
        fit%stage = is_over
    end subroutine lose_jacobian

    !> The same for callers in C.
    pure subroutine find_jacobian_error(fit, error) bind(c, name="find_jacobian_error_")
        type(lm_fit), intent(in) :: fit
        real(wp), intent(out) :: error

        error = error_of_jacobian(fit)
    end subroutine find_jacobian_error

    !> Whether what the linear model explains of f is no more than the noise of f.
    pure logical function is_noise(fit)
        type(lm_fit), intent(in) :: fit

        real(wp) :: noise

        is_noise = .false.
        if (fit%differences /= careful) return
        noise = 10*fit%noise
        if (fit%precision > machine_precision) noise = max(noise, 3*fit%precision*fit%highest)
        is_noise = fit%explained <= 10*fit%doubt .or. fit%explained*fit%fnorm <= noise
    end function is_noise

    !> The offset by the part of ‖f‖² that the linear model explains. Where the rest is down to rounding, that takes its place.
    pure real(wp) function offset_by(fit, n, explained)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: explained

        real(wp) :: rest, rounding

        offset_by = 0
        rounding = roundings*fit%rounding/fit%fnorm
        if (explained <= rounding**2) return
        rest = sqrt(max(1 - explained, 0.0_wp)/max(fit%m - n, 1_ip))
        if (fit%m == n) rest = sqrt(1/real(n, wp))
        offset_by = sqrt(explained/n)/max(rest, rounding/sqrt(real(max(fit%m, 1_ip), wp)))
    end function offset_by

end module minpack_certify
