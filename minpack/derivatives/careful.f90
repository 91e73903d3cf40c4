!> Central differences whose steps are found out: for a look whether a fit's end is one, and to go on where it isn't.
!>
!> A step is right where the residuals change by far more than their noise, and bend by far less than they change. Two values
!> beside x tell both: with f₊, f, f₋ at distances h,
!>
!>     change ‖f₊ - f₋‖ ≈ 2 h ‖f'‖,   bend ‖f₊ - 2 f + f₋‖ ≈ h² ‖f''‖ + noise,   doubt = (bend + noise)/change.
!>
!> The derivative's relative error is about doubt² where the bend is curvature, and about doubt where it is noise. Steps are lengthened
!> and shortened until doubt is small, or as small as can be: the minimum of (Gill, Murray, Saunders and Wright (1983)) noise and
!> truncation, without a model of either. They stay with the fit, so that later Jacobians take two evaluations a parameter.
module minpack_careful
    use minpack_constants, only: largest, machine_precision
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: are_still, begin_search, doubt_of, error_of, have_effect, is_as_fixed, is_settled, is_stationary
    public :: judge_pair, lengthen

    !> What is remembered of a parameter.
    integer(ip), parameter, public :: at_step = 1_ip !! its step
    integer(ip), parameter :: at_best = 2_ip, at_doubt = 3_ip !! the best one so far, and its doubt
    integer(ip), parameter :: at_low = 4_ip, at_high = 5_ip !! a shorter and a longer one that are worse; 0 and infinite at first
    integer(ip), parameter :: at_factor = 6_ip !! by what to lengthen or shorten while nothing is known; or a stage below
    integer(ip), parameter :: at_rounds = 7_ip !! steps that have been tried
    integer(ip), parameter, public :: at_floor = 8_ip !! the least that residuals have bent by any step: their noise, at most
    integer(ip), parameter :: at_change = 9_ip, at_bend = 10_ip !! change and bend of the best step
    integer(ip), parameter, public :: careful_state = 10_ip

    !> A parameter's own size is what its first step is relative to, as long as it isn't this much larger than what moves the
    !> residuals by as much as ‖f‖ at the start: a location may be many widths from 0.
    real(wp), parameter :: most_natural = 100.0_wp
    !> Nor this much smaller: a parameter may happen to be next to 0.
    real(wp), parameter :: least_natural = 0.01_wp
    !> Doubts up to this are none: derivatives are then far better than the offset needs that they are to find small.
    real(wp), parameter :: no_doubt = 3.0e-5_wp
    !> If it is noise that makes doubts larger than this, a longer step is tried, as columns that are almost the same need it.
    real(wp), parameter :: no_noise = 1.0e-8_wp
    !> Doubts above this are large: the step is wrong by much.
    real(wp), parameter :: much_doubt = 0.1_wp
    !> In the place of a doubt where the derivative is 0, until the step is found: by all steps that say so alike.
    real(wp), parameter :: where_still = 2*much_doubt
    !> By how much steps are lengthened or shortened.
    real(wp), parameter :: first_factor = 16.0_wp
    !> While nothing changes, or nothing is finite, the factor is squared each time, up to this: a step may be off by hundreds
    !> of decades, as where a parameter begins at 1e-100.
    real(wp), parameter :: largest_factor = 1.0e64_wp
    !> A bend that exceeds the change by this is that of a point where the derivative is 0; if it exceeds the noise by this; and if
    !> the step isn't far longer than that takes, lest it lead across something else.
    real(wp), parameter :: stationary = 1.0e3_wp, clearly = 1.0e2_wp, far_beyond = 1.0e6_wp
    real(wp), parameter :: most_rounds = 20.0_wp
    !> By how much steps are lengthened to see whether derivatives stay: rounding of residuals and parameters then counts for less,
    !> and curvature not for much more.
    real(wp), parameter :: longer = 4.0_wp
    ! Stages in the place of a factor:
    real(wp), parameter :: settled = 0.0_wp !! the step is found
    real(wp), parameter :: once_more = -1.0_wp !! it is found, and the derivative is still to be taken with it

contains

    !> The first step for a parameter.
    pure subroutine begin_search(x, norm, highest, typical, precision, state)
        real(wp), intent(in) :: x !! the parameter
        real(wp), intent(in) :: norm !! that of its column in the last Jacobian
        real(wp), intent(in) :: highest !! ‖f‖ where the fit began: how much parameters change residuals
        real(wp), intent(in) :: typical !! its least size, as far as the caller knows
        real(wp), intent(in) :: precision !! relative error of the residuals
        real(wp), intent(out) :: state(careful_state)

        real(wp) :: natural

        natural = 0
        if (norm > 0 .and. norm <= largest) natural = highest/norm
        if (.not. natural <= largest) natural = 0
        if (abs(x) > 0 .and. abs(x) <= most_natural*natural) natural = max(abs(x), least_natural*natural)
        if (natural == 0) natural = merge(abs(x), 1.0_wp, x /= 0)
        natural = max(natural, typical)
        state(at_step) = max(max(precision, machine_precision)**(1.0_wp/3)*natural, 2*spacing(x))
        state(at_floor) = huge(1.0_wp)
        call search_from_step(state)
    end subroutine begin_search

    !> Begins a search with the step that there is, and forgets the one before.
    pure subroutine search_from_step(state)
        real(wp), intent(inout) :: state(careful_state)

        state(at_best) = state(at_step)
        state(at_doubt) = huge(1.0_wp)
        state(at_low) = 0
        state(at_high) = huge(1.0_wp)
        state(at_factor) = first_factor
        state(at_rounds) = 0
        state(at_change) = 0
        state(at_bend) = 0
    end subroutine search_from_step

    pure logical function is_settled(state)
        real(wp), intent(in) :: state(careful_state)

        is_settled = state(at_factor) == settled
    end function is_settled

    !> The relative error of a derivative. No doubt where a parameter has no effect, by whatever step.
    pure real(wp) function doubt_of(state, floor, noise)
        real(wp), intent(in) :: state(careful_state)
        real(wp), intent(in) :: floor !! the least bend by any parameter
        real(wp), intent(in) :: noise !! as judge_pair has it

        doubt_of = state(at_doubt)
        if (doubt_of >= huge(1.0_wp)) then
            if (state(at_low) > 0 .and. state(at_high) >= huge(1.0_wp)) doubt_of = 0
        else if (doubt_of > 0) then
            doubt_of = min(doubt_of, doubt_by(state(at_change), state(at_bend), min(floor, state(at_bend)), noise))
        end if
    end function doubt_of

    !> The error of a column, as a length; infinite where nothing is known of it.
    pure real(wp) function error_of(state, x, floor, noise)
        real(wp), intent(in) :: state(careful_state)
        real(wp), intent(in) :: x !! the parameter
        real(wp), intent(in) :: floor, noise !! as doubt_of has them

        real(wp) :: doubt, length

        error_of = huge(1.0_wp)
        doubt = doubt_of(state, floor, noise)
        if (state(at_doubt) >= huge(1.0_wp)) then ! nothing has moved; far away there may be nothing to move
            length = min(state(at_low), abs(x))
            if (length > 0) error_of = 4*noise/length
        else if (state(at_doubt) == 0) then ! the bend hides a slope
            error_of = state(at_bend)/(2*state(at_step))
        else if (doubt <= much_doubt) then
            error_of = doubt*state(at_change)/(2*state(at_step))
        end if
    end function error_of

    !> Has the steps that are known lengthened.
    pure subroutine lengthen(states)
        real(wp), intent(inout) :: states(:, :)

        states(at_step, :) = longer*states(at_step, :)
    end subroutine lengthen

    !> The relative error of a derivative by a pair of evaluations: that of noise, and that of curvature, which is of second order.
    pure real(wp) function doubt_by(change, bend, floor, noise)
        real(wp), intent(in) :: change, bend, noise !! as judge_pair has them
        real(wp), intent(in) :: floor !! the least bend of any step

        real(wp), parameter :: utter = sqrt(largest) ! less than where nothing is known

        doubt_by = huge(1.0_wp)
        if (.not. (change < largest .and. bend < largest)) return
        doubt_by = utter
        if (change == 0) return
        doubt_by = min((floor + noise)/change + (max(bend - floor, 0.0_wp)/change)**2, utter)
        if (bend > much_doubt*change) doubt_by = min(max(doubt_by, bend/change), utter)
    end function doubt_by

    !> Whether residuals respond to parameters, by some step.
    pure function have_effect(states)
        real(wp), intent(in) :: states(:, :)
        logical :: have_effect(size(states, 2))

        have_effect = states(at_doubt, :) < huge(1.0_wp)
    end function have_effect

    !> Whether residuals bend, but have no slope, by the steps that are found.
    pure function are_still(states)
        real(wp), intent(in) :: states(:, :)
        logical :: are_still(size(states, 2))

        are_still = states(at_doubt, :) == 0
    end function are_still

    !> Whether bounds hold so few numbers that a parameter is as good as fixed.
    elemental logical function is_as_fixed(x, lower, upper)
        real(wp), intent(in) :: x, lower, upper

        is_as_fixed = upper - lower <= 1.0e3_wp*spacing(x)
    end function is_as_fixed

    !> Whether residuals bend, but have no slope; or whether the sum of squares is least at x, as far as rounding lets it be known, by
    !> the bend of the residuals and not by their slope, which the linear model knows nothing of.
    pure logical function is_stationary(change, bend, noise, floor, state, norm, rise, tilt)
        real(wp), intent(in) :: change, bend, noise, floor, state(careful_state) !! as judge_pair has them
        real(wp), intent(in) :: norm !! ‖f‖
        real(wp), intent(in) :: rise, tilt !! by how much ‖f‖² rises on both sides together, and on one more than on the other

        is_stationary = .false.
        if (.not. (max(bend, abs(rise)) < largest .and. bend > clearly*noise)) return
        is_stationary = bend > stationary*max(change - 2*noise, 0.0_wp)
        if (is_stationary) return
        if (bend <= 10*min(state(at_floor), floor) .and. state(at_bend) <= 10*bend) return ! noise bends as much by any step
        if (.not. (rise > clearly*noise*norm .and. change < sqrt(rise/stationary))) return
        is_stationary = abs(tilt) <= sqrt(8*rise)*sqrt(10*noise*norm) ! the parabola through the three is deeper by no more
    end function is_stationary

    !> What a pair of evaluations says of a step: it is right, or another one is to be tried.
    pure subroutine judge_pair(change, bend, noise, floor, x, is_still, state)
        real(wp), intent(in) :: change, bend !! ‖f₊ - f₋‖ and ‖f₊ - 2 f + f₋‖; NaN or no less than `largest` where one isn't finite
        real(wp), intent(in) :: noise !! of each of the three, at least
        real(wp), intent(in) :: floor !! and at most: the least bend by any parameter so far
        real(wp), intent(in) :: x !! the parameter
        logical, intent(in) :: is_still !! what is_stationary says
        real(wp), intent(inout) :: state(careful_state)

        real(wp) :: doubt
        logical :: finite, is_near, moves

        finite = change < largest .and. bend < largest
        moves = .false.
        if (finite) moves = max(change, bend) > 4*noise
        if (moves) state(at_floor) = min(state(at_floor), bend, floor)
        doubt = huge(1.0_wp)
        if (moves) doubt = doubt_by(change, bend, state(at_floor), noise)
        if (is_still) doubt = where_still
        is_near = is_still .and. bend <= far_beyond*noise

        if (state(at_factor) == once_more) then
            call keep(merge(0.0_wp, doubt, is_near), change, bend, state)
            state(at_factor) = settled
            return
        end if
        if (is_settled(state)) then
            if (doubt <= much_doubt .or. is_near .or. state(at_doubt) > much_doubt) then
                if (moves) call keep(merge(0.0_wp, doubt, is_near), change, bend, state)
                return
            end if
            call search_from_step(state) ! it was right elsewhere and is wrong here, as where it now crosses a jump
        end if
        state(at_rounds) = state(at_rounds) + 1
        if (moves) then
            if ((doubt <= no_doubt .and. .not. (bend <= clearly*noise .and. doubt > no_noise)) &
                .or. is_near) then
                state(at_best) = state(at_step)
                state(at_change) = change
                state(at_bend) = bend
                state(at_doubt) = merge(doubt, 0.0_wp, doubt <= no_doubt)
                state(at_factor) = settled
                return
            end if
        end if
        call narrow(change, bend, noise, doubt, finite, moves, state)
        if (state(at_doubt) <= no_doubt .and. state(at_step) /= state(at_best)) then ! the one before was better, and will do
            state(at_step) = state(at_best)
            state(at_factor) = once_more
            return
        end if
        call choose_next(noise, x, state)
    end subroutine judge_pair

    !> Remembers how the step did that a derivative is taken with.
    pure subroutine keep(doubt, change, bend, state)
        real(wp), intent(in) :: doubt, change, bend
        real(wp), intent(inout) :: state(careful_state)

        state(at_doubt) = doubt
        state(at_change) = change
        state(at_bend) = bend
    end subroutine keep

    !> Takes in how a step did.
    pure subroutine narrow(change, bend, noise, doubt, finite, moves, state)
        real(wp), intent(in) :: change, bend, noise, doubt
        logical, intent(in) :: finite, moves
        real(wp), intent(inout) :: state(careful_state)

        real(wp) :: step
        logical :: is_first, is_shorter

        step = state(at_step)
        if (.not. finite) then
            state(at_high) = min(state(at_high), step)
            return
        end if
        if (.not. moves) then
            state(at_low) = max(state(at_low), step)
            return
        end if
        is_first = state(at_doubt) >= huge(1.0_wp)
        is_shorter = step < state(at_best)
        if (.not. is_first) state(at_doubt) = doubt_by(state(at_change), state(at_bend), state(at_floor), noise)
        ! Far beyond where the residuals follow a parameter all doubts are alike, and shorter steps better.
        if (is_first .or. doubt < state(at_doubt) .or. (is_shorter .and. doubt > much_doubt .and. doubt < 2*state(at_doubt))) then
            if (.not. is_first .and. is_shorter) state(at_high) = state(at_best)
            if (.not. is_first .and. .not. is_shorter) state(at_low) = state(at_best)
            state(at_best) = step
            state(at_doubt) = doubt
            state(at_change) = change
            state(at_bend) = bend
        else if (is_shorter) then
            state(at_low) = max(state(at_low), step)
        else
            state(at_high) = min(state(at_high), step)
        end if
    end subroutine narrow

    !> The next step to try, or the end of the search.
    pure subroutine choose_next(noise, x, state)
        real(wp), intent(in) :: noise !! as judge_pair has it
        real(wp), intent(in) :: x !! the parameter
        real(wp), intent(inout) :: state(careful_state)

        real(wp) :: best, high, longer, low, next, shorter

        low = state(at_low)
        high = state(at_high)
        best = state(at_best)
        if (state(at_doubt) >= huge(1.0_wp)) then ! nothing has moved and been finite so far
            if (low > 0 .and. high < huge(1.0_wp)) then
                next = sqrt(low)*sqrt(high)
                if (high < 4*low) next = 0
            else if (low > 0) then
                next = low*state(at_factor)
            else
                next = high/state(at_factor)
            end if
            state(at_factor) = min(state(at_factor)**2, largest_factor)
        else
            longer = best*first_factor
            if (longer > high/2) longer = sqrt(best)*sqrt(high)
            if (high < 4*best) longer = 0
            shorter = best/first_factor
            if (low > 0 .and. state(at_doubt) > much_doubt) shorter = min(shorter, sqrt(best)*sqrt(low))
            if (shorter < 2*low) shorter = sqrt(best)*sqrt(low)
            if (best < 4*low .or. shorter < 2*spacing(x)) shorter = 0
            next = merge(longer, shorter, state(at_bend) <= clearly*noise .or. state(at_doubt) <= much_doubt)
            if (next == 0) next = max(longer, shorter)
        end if
        if (.not. (next > 0 .and. next <= sqrt(largest)) .or. state(at_rounds) >= most_rounds) then
            state(at_factor) = merge(settled, once_more, state(at_step) == best)
            if (state(at_factor) == settled .and. state(at_doubt) == where_still .and. state(at_bend) <= far_beyond*noise) then
                state(at_doubt) = 0
            end if
            next = best
        end if
        state(at_step) = next
    end subroutine choose_next

end module minpack_careful
