!> The Jacobian by differences within bounds, one evaluation after the other, by steps that the residuals can feel.
!>
!> Whoever calls the user's function runs it so:
!>
!>     do
!>         call plan_differences(fit, ..., count)
!>         point = x
!>         for i from 1 to count:
!>             call difference_point(fit, ..., i, point)
!>             call take_difference(fit, ..., i, residuals at point, fjac)
!>         call doubt_differences(fit, ..., point, doubted)
!>         if (doubted) call settle_differences(fit, ..., point, residuals at point, again)
!>         if (not doubted, or not again) exit
!>     end do
!>
!> Residuals that are computed in single precision somewhere don't feel steps of double precision. That is looked for once in a
!> fit, as long as nobody has said how precise they are.
module minpack_differences
    use minpack_careful, only: are_still, at_floor, at_step, begin_search, careful_state, doubt_of, error_of, have_effect, &
                               is_as_fixed, is_settled, is_stationary, judge_pair
    use minpack_constants, only: machine_precision
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: careful, central, forward, lm_fit, single_precision
    use minpack_kinds, only: ip, wp
    use minpack_steps, only: central_steps, forward_steps, inside, pair_beside
    implicit none
    private
    public :: find_coarse

    !> Entries of a column that are looked at, evenly spread. A hundred do as well on the standard problems.
    integer(ip), parameter :: sample = 1000_ip
    !> A change of a residual that is a power of two may be the spacing of single precision numbers where it is no smaller than
    !> this part of that. A false alarm costs one evaluation.
    real(wp), parameter :: least_spacing = 0.25_wp*single_precision
    !> A mantissa this close to that of a power of two is one, but for the rounding of a difference.
    real(wp), parameter :: rounding = 1.0e-6_wp
    !> A longer step contradicts the differences where it is off what they predict by this fraction of itself. Truncation makes
    !> that some 1e-4, steps that were lost 1.
    real(wp), parameter :: contradiction = 0.5_wp

    ! What doubt_differences asks for:
    integer(ip), parameter :: none = 0_ip, one_evaluation = 1_ip, another_round = 2_ip

    ! What find_coarse finds of a column of differences:
    integer(ip), parameter, public :: fine = 0_ip !! it looks right
    integer(ip), parameter, public :: lost = 1_ip !! it is zeros
    integer(ip), parameter, public :: coarse = 2_ip !! it is zeros and single precision rounding

contains

    !> Where the residuals are to be evaluated, and how often.
    pure subroutine plan_differences(fit, n, x, typical, eta, lower, upper, acnorm, states, list, sizes, values, others, count) &
            bind(c, name="plan_differences_")
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n) !! where, within the bounds
        real(wp), intent(in) :: typical(n) !! least sizes of the parameters, >= 0
        real(wp), intent(inout) :: eta(n) !! relative lengths of steps, not 0; set here unless fit%precision is 0
        real(wp), intent(in) :: lower(n), upper(n) !! bounds, infinite where there are none
        real(wp), intent(in) :: acnorm(n) !! norms of the columns of the last Jacobian; not read unless differences are careful
        real(wp), intent(inout) :: states(careful_state, n) !! what is known of careful steps: 0 at first
        integer(ip), intent(inout) :: list(n) !! with careful differences: the parameters of this round
        real(wp), intent(out) :: sizes(n) !! what steps are relative to; with other than forward differences scratch
        real(wp), intent(out) :: values(n) !! values of the parameters beside x
        real(wp), intent(out) :: others(n) !! with central differences, values on the other side; else what to divide by
        integer(ip), intent(out) :: count !! evaluations

        real(wp) :: relative

        if (fit%differences == careful) then
            call plan_round(fit, n, x, typical, lower, upper, acnorm, states, list, sizes, values, others, count)
            return
        end if
        relative = max(fit%precision, machine_precision)
        if (fit%precision > 0) eta = merge(sqrt(relative), relative**(1.0_wp/3), fit%differences == forward)
        if (fit%differences == central) then
            sizes = 0
            call central_steps(n, x, typical, eta, lower, upper, values, others)
            count = 2*n
        else
            call forward_steps(n, x, typical, eta, lower, upper, sizes, values, others)
            count = n
        end if
    end subroutine plan_differences

    !> The next round of careful differences: of all parameters, with the steps that are known; or of those whose step isn't.
    pure subroutine plan_round(fit, n, x, typical, lower, upper, acnorm, states, list, lengths, values, others, count)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! the rest as in plan_differences
        real(wp), intent(in) :: x(n), typical(n), lower(n), upper(n), acnorm(n)
        real(wp), intent(inout) :: states(careful_state, n)
        integer(ip), intent(inout) :: list(n)
        real(wp), intent(out) :: lengths(n), values(n), others(n)
        integer(ip), intent(out) :: count

        integer(ip) :: j
        logical :: all_are_settled

        all_are_settled = .true.
        do j = 1, n
            if (states(at_step, j) == 0 .or. fit%doubt < 0) then
                call begin_search(x(j), trusted(fit, x(j), acnorm(j)), fit%highest, typical(j), fit%precision, states(:, j))
            end if
            states(at_step, j) = min(states(at_step, j), max(upper(j) - x(j), x(j) - lower(j)))
            if (.not. is_settled(states(:, j))) all_are_settled = .false.
        end do
        count = 0
        do j = 1, n
            lengths(j) = max(states(at_step, j), 2*spacing(x(j)))
            call pair_beside(x(j), lengths(j), lower(j), upper(j), values(j), others(j))
            if (is_settled(states(:, j)) .and. .not. all_are_settled) cycle
            count = count + 2
            list(count/2) = j
        end do
    end subroutine plan_round

    !> The norm of a column by MINPACK's differences, where these are beyond rounding; else 0.
    pure real(wp) function trusted(fit, x, norm)
        type(lm_fit), intent(in) :: fit
        real(wp), intent(in) :: x, norm !! the parameter, and the norm of its column

        real(wp) :: eta

        eta = sqrt(max(fit%precision, machine_precision))
        trusted = merge(norm, 0.0_wp, eta*merge(abs(x), 1.0_wp, x /= 0)*norm >= 1.0e3_wp*machine_precision*fit%highest)
    end function trusted

    !> The point of the i-th evaluation, from that of the one before.
    pure subroutine difference_point(fit, n, x, list, values, others, i, point) bind(c, name="difference_point_")
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! parameters
        integer(ip), intent(in) :: list(n) !! as in plan_differences
        real(wp), intent(in) :: x(n), values(n), others(n) !! as in plan_differences
        integer(ip), intent(in) :: i !! which evaluation, counted from 1
        real(wp), intent(inout) :: point(n) !! the point of evaluation i - 1, or x where i is 1; on return that of i

        integer(ip) :: j

        if (i > 1) then
            j = parameter_of(fit, list, i - 1)
            point(j) = x(j)
        end if
        j = parameter_of(fit, list, i)
        point(j) = values(j)
        if (is_other(fit, i)) point(j) = others(j)
    end subroutine difference_point

    !> Takes in the residuals there.
    pure subroutine take_difference(fit, m, n, x, f, list, values, others, i, moved, fjac, states) &
            bind(c, name="take_difference_")
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), f(m) !! the point, and the residuals there
        integer(ip), intent(in) :: list(n) !! as in plan_differences
        real(wp), intent(in) :: values(n), others(n) !! as in plan_differences
        integer(ip), intent(in) :: i !! which evaluation, counted from 1
        real(wp), intent(in) :: moved(m) !! the residuals at its point
        real(wp), intent(inout) :: fjac(m, n) !! the Jacobian
        real(wp), intent(inout) :: states(careful_state, n) !! what is known of careful steps

        real(wp) :: bend, change, rise, tilt
        integer(ip) :: is_still, j, k

        j = parameter_of(fit, list, i)
        if (fit%differences == forward) then
            do k = 1, m
                fjac(k, j) = (moved(k) - f(k))/others(j)
            end do
        else if (is_other(fit, i)) then
            if (fit%differences == careful) then
                call measure(m, f, fjac(1, j), moved, values(j) - x(j), others(j) - x(j), change, bend)
                call measure_rise(m, f, fjac(1, j), moved, values(j) - x(j), others(j) - x(j), rise, tilt)
                call judge_difference(fit, x(j), change, bend, rise, tilt, states(:, j), is_still)
                if (is_still /= 0) then
                    call take_stationary(m, f, moved, values(j) - x(j), bend, fjac(1, j))
                    return
                end if
            end if
            call take_parabola(m, f, moved, values(j) - x(j), others(j) - x(j), fjac(1, j))
        else
            fjac(:, j) = moved
        end if
    end subroutine take_difference

    !> Takes in what a pair of evaluations says of a parameter's step, when all residuals are in.
    pure subroutine judge_difference(fit, x, change, bend, rise, tilt, state, is_still) bind(c, name="judge_difference_")
        type(lm_fit), intent(in) :: fit
        real(wp), intent(in) :: x !! the parameter
        real(wp), intent(in) :: change, bend, rise, tilt !! as measure and measure_rise have them
        real(wp), intent(inout) :: state(careful_state) !! what is known of the step
        integer(ip), intent(out) :: is_still !! not 0 where residuals bend and have no slope

        real(wp) :: noise
        logical :: still

        noise = max(fit%rounding, machine_precision*fit%fnorm)
        still = is_stationary(change, bend, noise, fit%noise, state, fit%fnorm, rise, tilt)
        call judge_pair(change, bend, noise, fit%noise, x, still, state)
        is_still = merge(1_ip, 0_ip, still)
    end subroutine judge_difference

    !> The derivative where residuals bend and have no slope: 0 where they are least there. Else, lest a fit stay where they are
    !> greatest, that of a chord to one side, as long as it takes to change them by as much as they are: by a shorter one the
    !> linear model would go far beyond the next minimum.
    pure subroutine take_stationary(m, f, far, to_near, bend, column)
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: f(m), far(m) !! the residuals at x, and at the value farther away, or on the other side
        real(wp), intent(in) :: to_near !! how far from x the near ones were taken
        real(wp), intent(in) :: bend !! as measure has it
        real(wp), intent(inout) :: column(m) !! the residuals nearby; on return the derivatives

        real(wp) :: norm, longer

        norm = enorm(m, f)
        if (enorm(m, far) >= norm .and. enorm(m, column) >= norm) then
            column = 0
        else
            longer = max(sqrt(norm)*sqrt(2/bend), 1.0_wp) ! the residuals bend by half of `bend` on each side
            column = longer*((column - f)/to_near)
        end if
    end subroutine take_stationary

    !> By how much residuals change between two values of a parameter, and by how much they bend.
    pure subroutine measure(m, f, near, far, to_near, to_far, change, bend)
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: f(m), near(m), far(m) !! the residuals at x, and at the two values
        real(wp), intent(in) :: to_near, to_far !! how far these are from x's
        real(wp), intent(out) :: change, bend !! as judge_pair wants them; `largest` where there is no room for two values

        real(wp) :: highest_bend, highest_change, weight
        integer(ip) :: k

        change = huge(1.0_wp)
        bend = huge(1.0_wp)
        if (to_near == 0 .or. to_far == to_near) return
        ! With values on either side ‖f₊ - f₋‖; on one side of x the far one is twice as far away.
        weight = -to_far/to_near
        highest_change = 0
        highest_bend = 0
        do k = 1, m
            highest_change = max(highest_change, abs(far(k) - merge(near(k), f(k), weight > 0)))
            highest_bend = max(highest_bend, abs((far(k) - f(k)) + weight*(near(k) - f(k))))
        end do
        if (.not. all(abs(near) <= huge(1.0_wp)) .or. .not. all(abs(far) <= huge(1.0_wp))) return
        change = 0
        bend = 0
        do k = 1, m
            if (highest_change > 0) change = change + ((far(k) - merge(near(k), f(k), weight > 0))/highest_change)**2
            if (highest_bend > 0) bend = bend + (((far(k) - f(k)) + weight*(near(k) - f(k)))/highest_bend)**2
        end do
        change = highest_change*sqrt(change)
        bend = highest_bend*sqrt(bend)
    end subroutine measure

    !> By how much the sum of squares rises on both sides of x together, and on one side more than on the other; 0 where both values
    !> are on the same side.
    pure subroutine measure_rise(m, f, near, far, to_near, to_far, rise, tilt)
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: f(m), near(m), far(m), to_near, to_far !! as measure has them
        real(wp), intent(out) :: rise, tilt

        real(wp) :: one, other

        rise = 0
        tilt = 0
        if (to_near*to_far >= 0) return
        one = sum((near - f)*(near + f))
        other = sum((far - f)*(far + f))
        rise = one + other
        tilt = one - other
    end subroutine measure_rise

    !> The derivative at x of the parabola through three values of each residual.
    pure subroutine take_parabola(m, f, far, to_near, to_far, column)
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: f(m), far(m) !! the residuals at x, and farther away or on the other side
        real(wp), intent(in) :: to_near, to_far !! from x to where the residuals were taken, to_far not 0
        real(wp), intent(inout) :: column(m) !! the residuals nearby; on return the derivatives

        integer(ip) :: k

        if (to_near == 0 .or. to_near == to_far) then ! a box so narrow that it holds no third number
            column = (far - f)/to_far
            return
        end if
        do k = 1, m
            column(k) = ((column(k) - f(k))*(to_far/to_near) - (far(k) - f(k))*(to_near/to_far))/(to_far - to_near)
        end do
    end subroutine take_parabola

    !> Whether differences look as if residuals were coarser than they seem, and a point that tells: longer steps in those
    !> parameters at once whose columns don't look right. Where the short steps were lost, residuals change there in another way
    !> than the differences predict. They don't where a parameter has no effect, or affects few residuals.
    pure subroutine doubt_differences(fit, m, n, x, f, sizes, lower, upper, fjac, states, verdict, point, doubted) &
            bind(c, name="doubt_differences_")
        type(lm_fit), intent(inout) :: fit !! on return it knows how good careful differences are
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), f(m) !! a point, and the residuals there
        real(wp), intent(in) :: sizes(n), lower(n), upper(n) !! as in plan_differences
        real(wp), intent(in) :: fjac(m, n) !! the Jacobian
        real(wp), intent(in) :: states(careful_state, n) !! what is known of careful steps
        integer(ip), intent(out) :: verdict(n) !! what find_coarse says
        real(wp), intent(out) :: point(n)
        integer(ip), intent(out) :: doubted !! 1: the residuals at the point are wanted; 2: another round of differences; else 0

        verdict = fine
        doubted = none
        point = x
        if (fit%differences == careful) then
            call doubt_careful(fit, n, x, lower, upper, states, doubted)
            return
        end if
        if (fit%differences /= forward .or. fit%precision_known /= 0) return
        call find_coarse(m, n, sizes, f, fjac, verdict)
        if (all(verdict == fine .or. verdict == lost) .and. any(verdict == fine)) return ! of others they feel the shortest steps
        doubted = one_evaluation
        point = merge(x, inside(x + sqrt(single_precision)*sizes, x, lower, upper), verdict == fine)
    end subroutine doubt_differences

    !> How good careful differences are, and whether another round is wanted.
    pure subroutine doubt_careful(fit, n, x, lower, upper, states, doubted) bind(c, name="doubt_careful_")
        type(lm_fit), intent(inout) :: fit
        integer(ip), intent(in) :: n !! the rest as in doubt_differences
        real(wp), intent(in) :: x(n), lower(n), upper(n), states(careful_state, n)
        integer(ip), intent(out) :: doubted

        real(wp) :: noise
        integer(ip) :: j

        doubted = none
        fit%doubt = 0
        fit%noise = min(fit%noise, minval(states(at_floor, :)))
        fit%still = count(are_still(states))
        noise = max(fit%rounding, machine_precision*fit%fnorm)
        if (.not. any(have_effect(states) .or. is_as_fixed(x, lower, upper))) fit%doubt = huge(1.0_wp)
        do j = 1, n
            if (.not. is_settled(states(:, j))) doubted = another_round
            if (is_as_fixed(x(j), lower(j), upper(j))) cycle
            fit%doubt = max(fit%doubt, doubt_of(states(:, j), fit%noise, noise))
        end do
    end subroutine doubt_careful

    !> Errors of the columns by careful differences, as lengths; infinite where nothing is known.
    pure subroutine find_column_errors(fit, n, x, lower, upper, states, errors) bind(c, name="find_column_errors_")
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: x(n), lower(n), upper(n) !! as in plan_differences
        real(wp), intent(in) :: states(careful_state, n) !! what is known of careful steps
        real(wp), intent(out) :: errors(n)

        integer(ip) :: j

        do j = 1, n
            errors(j) = error_of(states(:, j), x(j), fit%noise, max(fit%rounding, machine_precision*fit%fnorm))
            if (is_as_fixed(x(j), lower(j), upper(j))) errors(j) = huge(1.0_wp)
        end do
    end subroutine find_column_errors

    !> Settles that doubt by the residuals at the point.
    pure subroutine settle_differences(fit, m, n, x, f, fjac, verdict, point, moved, again) &
            bind(c, name="settle_differences_")
        type(lm_fit), intent(inout) :: fit !! on return the precision is known
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n), f(m) !! a point, and the residuals there
        real(wp), intent(in) :: fjac(m, n) !! the Jacobian there, by short differences
        integer(ip), intent(in) :: verdict(n) !! what find_coarse says of it
        real(wp), intent(in) :: point(n) !! the other point
        real(wp), intent(inout) :: moved(m) !! the residuals there; on return scratch
        integer(ip), intent(out) :: again !! not 0 where differences are to be taken once more, with longer steps

        real(wp) :: change
        integer(ip) :: j

        moved = moved - f
        change = enorm(m, moved)
        do j = 1, n
            if (verdict(j) == coarse) moved = moved - (point(j) - x(j))*fjac(:, j)
        end do
        again = merge(1_ip, 0_ip, enorm(m, moved) > contradiction*change)
        fit%precision_known = 1
        if (again /= 0) fit%precision = single_precision
    end subroutine settle_differences

    !> Which parameter the i-th evaluation is for.
    pure integer(ip) function parameter_of(fit, list, i)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: list(fit%n)
        integer(ip), intent(in) :: i

        parameter_of = i
        if (fit%differences == central) parameter_of = (i + 1)/2
        if (fit%differences == careful) parameter_of = list((i + 1)/2)
    end function parameter_of

    !> Whether it is the second one for its parameter.
    pure logical function is_other(fit, i)
        type(lm_fit), intent(in) :: fit
        integer(ip), intent(in) :: i

        is_other = fit%differences /= forward .and. mod(i, 2) == 0
    end function is_other

    !> Which columns of a Jacobian by differences are zero, or look as if the residuals were rounded to single precision.
    !>
    !> A difference of 1e-8 x is lost in such residuals: the column comes out as zeros, but for some that lay near
    !> to a rounding boundary and changed by the spacing of single precision numbers there, a power of two. In
    !> some rows at least that is more than the rounding of double precision explains.
    pure subroutine find_coarse(m, n, sizes, fvec, fjac, verdict) bind(c, name="find_coarse_")
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: sizes(n) !! what the steps were relative to, > 0
        real(wp), intent(in) :: fvec(m) !! the residuals
        real(wp), intent(in) :: fjac(m, n) !! the Jacobian, by steps of sqrt(ε) times the sizes
        integer(ip), intent(out) :: verdict(n) !! fine, lost or coarse

        real(wp) :: difference, eta, h
        integer(ip) :: i, j, stride, zeros, spacings
        logical :: large

        eta = sqrt(machine_precision)
        stride = max(1_ip, m/sample)
        do j = 1, n
            verdict(j) = lost
            if (fjac(1, j) == 0) then
                if (is_zero(m, fjac(1, j))) cycle
            end if
            h = eta*sizes(j)
            zeros = 0
            spacings = 0
            large = .false.
            do i = 1, m, stride
                difference = abs(h*fjac(i, j))
                if (difference == 0) then
                    zeros = zeros + 1
                else if (is_power_of_two(difference)) then
                    spacings = spacings + 1
                    large = large .or. difference >= least_spacing*abs(fvec(i))
                else
                    exit
                end if
            end do
            verdict(j) = merge(coarse, fine, i > m .and. large .and. zeros > spacings)
        end do
    end subroutine find_coarse

    !> Whether a vector is nothing but zeros, by a loop without a branch.
    pure logical function is_zero(m, column)
        integer(ip), intent(in) :: m !! components
        real(wp), intent(in) :: column(m)

        real(wp) :: highest
        integer(ip) :: i

        highest = 0
        do i = 1, m
            highest = max(highest, abs(column(i)))
        end do
        is_zero = highest <= 0
    end function is_zero

    !> Whether a number is a power of two, up to the rounding of a difference of double precision numbers.
    pure logical function is_power_of_two(number)
        real(wp), intent(in) :: number !! > 0

        real(wp) :: mantissa

        mantissa = fraction(number)
        is_power_of_two = min(mantissa - 0.5_wp, 1 - mantissa) <= rounding
    end function is_power_of_two

end module minpack_differences
