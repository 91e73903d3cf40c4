!> Steps within bounds, on figures that can be checked by hand.
program test_box
    use, intrinsic :: ieee_arithmetic, only: ieee_positive_inf, ieee_value
    use checks, only: check, close_to, conclude
    use fits, only: begun, step_of
    use minpack_boxsolv, only: at_lower, at_upper, boxsolv, boxsolv_vectors, is_free, patience
    use minpack_fit_types, only: lm_fit
    use minpack_info, only: info_gtol
    use minpack_kinds, only: ip, wp
    use minpack_take_factor, only: lm_take_factor
    implicit none

    real(wp), parameter :: slight = 1.0e-12_wp !! damping that changes nothing

    real(wp) :: none !! where there is no bound

    !> What boxsolv says.
    type :: solution
        real(wp) :: p(2)
        integer(ip) :: side(2), rounds
    end type solution

    none = ieee_value(none, ieee_positive_inf)
    call gradient_is_scaled_and_followed_to_the_minimum()
    call variables_that_cannot_move_do_not_shorten_the_way()
    call no_lower_point_is_the_start()
    call nothing_to_gain_is_the_start()
    call empty_column_stays()
    call right_guesses_take_one_round()
    call ends_of_the_projected_gradient_are_held()
    call step_a_little_longer_than_allowed_is_not_damped()
    call step_bound_that_no_damping_meets_is_met()
    call later_step_bounds_stay()
    call short_columns_are_not_damped_as_long_ones()
    call trial_points_are_rounded_to_the_inside()
    call what_is_zero_is_not_divided_by()
    call conclude()

contains

    !> boxsolv for two variables, with R = [r11 r12; 0 r22].
    function solve(r, mu, qtf, lo, hi, side, tries, changes) result(found)
        real(wp), intent(in) :: r(3) !! r11, r12, r22
        real(wp), intent(in) :: mu(2), qtf(2), lo(2), hi(2)
        integer(ip), intent(in) :: side(2), tries, changes
        type(solution) :: found

        real(wp) :: w(2, 3), v(2, boxsolv_vectors), full(2, 2)
        integer(ip) :: nfree, place(2, 2)

        full = reshape([r(1), 0.0_wp, r(2), r(3)], [2, 2])
        found%side = side
        call boxsolv(2_ip, full, 2_ip, [1_ip, 2_ip], norm2(full, dim=1), mu, qtf, lo, hi, tries, changes, found%side, &
                     found%p, nfree, place, found%rounds, w, v)
    end function solve

    !> Where the projected gradient leads.
    function followed(r, mu, qtf, lo, hi) result(p)
        real(wp), intent(in) :: r(3), mu(2), qtf(2), lo(2), hi(2)
        real(wp) :: p(2)

        type(solution) :: found

        found = solve(r, mu, qtf, lo, hi, [is_free, is_free], 0_ip, 0_ip)
        p = found%p
    end function followed

    !> (10 p1 - 10)² + (p2 - 1)²: in the columns' units the gradient points at the minimum. With damping of a half,
    !> (p2 - 1)² + p2²/4 has it at 4/5.
    subroutine gradient_is_scaled_and_followed_to_the_minimum()
        call check(close_to(followed([10.0_wp, 0.0_wp, 1.0_wp], [slight, slight], [-10.0_wp, -1.0_wp], &
                                     [-none, -none], [none, none]), [1.0_wp, 1.0_wp], 1.0e-14_wp), 'scaled gradient')
        call check(close_to(followed([10.0_wp, 0.0_wp, 1.0_wp], [slight, 0.5_wp], [0.0_wp, -1.0_wp], &
                                     [-none, -none], [none, none]), [0.0_wp, 0.8_wp], 1.0e-14_wp), 'to the minimum')
    end subroutine gradient_is_scaled_and_followed_to_the_minimum

    !> The same damped parabola for p2, beside a p1 that a steep gradient pushes against a bound at 0.
    subroutine variables_that_cannot_move_do_not_shorten_the_way()
        real(wp), parameter :: at_minimum(2) = [0.0_wp, 0.8_wp]

        call check(close_to(followed([1.0_wp, 0.0_wp, 1.0_wp], [slight, 0.5_wp], [-100.0_wp, -1.0_wp], &
                                     [-none, -none], [0.0_wp, none]), at_minimum, 1.0e-14_wp), 'stuck at the upper')
        call check(close_to(followed([1.0_wp, 0.0_wp, 1.0_wp], [slight, 0.5_wp], [100.0_wp, -1.0_wp], &
                                     [0.0_wp, -none], [none, none]), at_minimum, 1.0e-14_wp), 'stuck at the lower')
    end subroutine variables_that_cannot_move_do_not_shorten_the_way

    !> Columns that all but agree, and a gradient along their difference: the way to the minimum is of 1e27 units, and
    !> p1 can't take the first 1e-22 of it. What is left to gain by p2 alone is beyond the halvings.
    subroutine no_lower_point_is_the_start()
        real(wp), parameter :: s = 1.0e-14_wp
        real(wp) :: p(2)

        p = followed([1.0_wp, 1.0_wp, 2*s], [slight*s, slight*s], [s, -1.0_wp], [-1.0e-10_wp, -none], [none, none])
        call check(all(p == 0), 'no point that is lower')
    end subroutine no_lower_point_is_the_start

    subroutine nothing_to_gain_is_the_start()
        type(solution) :: found

        found = solve([1.0_wp, 0.0_wp, 1.0_wp], [slight, slight], [0.0_wp, 0.0_wp], [-none, -1.0_wp], [0.0_wp, none], &
                      [is_free, is_free], 0_ip, 9_ip)
        call check(all(found%p == 0), 'a gradient of zeros')
    end subroutine nothing_to_gain_is_the_start

    !> A column of zeros is damped by some number all the same; at a bound of 0 its gradient is 0.
    subroutine empty_column_stays()
        type(solution) :: found

        found = solve([1.0_wp, 0.0_wp, 0.0_wp], [slight, 1.0_wp], [-2.0_wp, 0.0_wp], [-none, 0.0_wp], [1.0_wp, none], &
                      [is_free, at_lower], patience, 9_ip)
        call check(all(found%p == [1.0_wp, 0.0_wp]) .and. all(found%side == [at_upper, at_lower]), 'an empty column')
    end subroutine empty_column_stays

    !> Free variables whose solution is a bound's very value, and bounds that are equal: nothing is exchanged.
    subroutine right_guesses_take_one_round()
        type(solution) :: found

        found = solve([1.0_wp, 0.0_wp, 1.0_wp], [slight, slight], [1.0_wp, -2.0_wp], [-1.0_wp, 0.0_wp], &
                      [3.0_wp, 2.0_wp], [is_free, is_free], patience, 9_ip)
        call check(all(found%p == [-1.0_wp, 2.0_wp]) .and. found%rounds == 1, 'solutions on bounds')
        found = solve([1.0_wp, 0.0_wp, 1.0_wp], [slight, slight], [1.0_wp, -2.0_wp], [0.0_wp, 0.0_wp], &
                      [0.0_wp, 0.0_wp], [is_free, at_upper], patience, 9_ip)
        call check(all(found%p == 0) .and. all(found%side == at_lower) .and. found%rounds == 1, 'equal bounds')
    end subroutine right_guesses_take_one_round

    !> Where the projected gradient ends on the bounds that hold, the descent has but to see that.
    subroutine ends_of_the_projected_gradient_are_held()
        type(solution) :: found

        found = solve([1.0_wp, 0.0_wp, 1.0_wp], [slight, slight], [9.0_wp, -9.0_wp], [-1.0_wp, -1.0_wp], &
                      [1.0_wp, 1.0_wp], [is_free, is_free], 0_ip, 9_ip)
        call check(all(found%side == [at_lower, at_upper]) .and. found%rounds == 1, 'both at once')
    end subroutine ends_of_the_projected_gradient_are_held

    !> The step from 0 with R = 1 and D = 1.
    subroutine step_from_zero(qtf, lower, upper, fit, step)
        real(wp), intent(in) :: qtf(2), lower(2), upper(2)
        type(lm_fit), intent(inout) :: fit
        real(wp), intent(out) :: step(2)

        real(wp) :: r(2, 2), trial(2)

        r = reshape([1.0_wp, 0.0_wp, 0.0_wp, 1.0_wp], [2, 2])
        call step_of(fit, r, [1_ip, 2_ip], qtf, [1.0_wp, 1.0_wp], [0.0_wp, 0.0_wp], lower, upper, trial, step)
        call check(all(trial == step), 'the trial point')
    end subroutine step_from_zero

    !> As lmpar, it is content within a tenth of Δ.
    subroutine step_a_little_longer_than_allowed_is_not_damped()
        type(lm_fit) :: fit
        real(wp) :: step(2)

        fit = begun(5.0_wp, .true., .false.)
        fit%delta = 1/1.05_wp
        call step_from_zero([-1.0_wp, -4.0_wp], [-9.0_wp, -9.0_wp], [9.0_wp, 0.0_wp], fit, step)
        call check(close_to(step, [1.0_wp, 0.0_wp], 1.0e-14_wp) .and. fit%par == 0, 'undamped')
    end subroutine step_a_little_longer_than_allowed_is_not_damped

    !> A step bound so far below ‖f‖ that a variable, once at its bound, has a gradient that counts as rounding,
    !> whatever the damping: as where residuals aren't finite but at x = 0. The step leads the same way, and is as
    !> long as it may be.
    subroutine step_bound_that_no_damping_meets_is_met()
        type(lm_fit) :: fit
        real(wp) :: step(2)

        fit = begun(1.0_wp, .true., .false.)
        fit%delta = 1.0e-70_wp
        call step_from_zero([-1.0_wp, -1.0_wp], [-1.0_wp, -1.0_wp], [1.0e-60_wp, 0.0_wp], fit, step)
        call check(close_to(step, [1.0e-70_wp, 0.0_wp], 1.0e-14_wp), 'a step of the length that is allowed')
        call check(close_to([fit%pnorm], [1.0e-70_wp], 1.0e-14_wp), 'its length')
        call check(close_to([fit%prered], [2.0e-70_wp], 1.0e-14_wp), 'what it is worth')
    end subroutine step_bound_that_no_damping_meets_is_met

    !> The first iteration alone shortens Δ to the step.
    subroutine later_step_bounds_stay()
        type(lm_fit) :: fit
        real(wp) :: step(2)

        fit = begun(5.0_wp, .true., .false.)
        fit%delta = 2
        fit%iteration = 2
        call step_from_zero([-1.0_wp, -4.0_wp], [-9.0_wp, -9.0_wp], [9.0_wp, 0.5_wp], fit, step)
        call check(close_to(step, [1.0_wp, 0.5_wp], 1.0e-14_wp) .and. fit%delta == 2, 'the second step')
        fit%iteration = 1
        call step_from_zero([-1.0_wp, -4.0_wp], [-9.0_wp, -9.0_wp], [9.0_wp, 0.5_wp], fit, step)
        call check(fit%delta == fit%pnorm .and. fit%pnorm < 2, 'the first step')
    end subroutine later_step_bounds_stay

    !> Whatever their order in R. (10ε of the longer column would damp the shorter one 20 times as much as its length.)
    subroutine short_columns_are_not_damped_as_long_ones()
        real(wp) :: r(2, 2), trial(2), step(2)
        type(lm_fit) :: fit

        r = reshape([1.0e16_wp, 0.0_wp, 0.0_wp, 1.0_wp], [2, 2])
        fit = begun(5.0_wp, .true., .false.)
        fit%delta = 1.0e16_wp
        call step_of(fit, r, [2_ip, 1_ip], [-4.0_wp, -1.0_wp], [1.0_wp, 1.0e16_wp], [0.0_wp, 0.0_wp], &
                     [-9.0_wp, -9.0_wp], [9.0_wp, 0.0_wp], trial, step)
        call check(close_to(step, [1.0_wp, 0.0_wp], 1.0e-14_wp), 'each by its own length')
    end subroutine short_columns_are_not_damped_as_long_ones

    !> A free variable may end where its bound is, and x plus the way there, rounded, beyond.
    subroutine trial_points_are_rounded_to_the_inside()
        real(wp) :: r(2, 2), trial(2), step(2), x, upper
        integer(ip) :: beyond, j
        type(lm_fit) :: fit

        beyond = 0
        do j = 1, 40
            r = reshape([1.0_wp, 0.0_wp, 1.0_wp, 1.0_wp], [2, 2]) ! without bounds, p2 = 1 and p1 is 1 less
            x = -j/7.0_wp
            upper = 1.0_wp/j
            if (x + (upper - x) > upper) beyond = beyond + 1
            fit = begun(5.0_wp, .true., .false.)
            fit%delta = 100
            call step_of(fit, r, [1_ip, 2_ip], [x - upper, -1.0_wp], [1.0_wp, 1.0_wp], [x, 0.0_wp], &
                         [-9.0_wp, -9.0_wp], [upper, 0.0_wp], trial, step)
            call check(trial(1) <= upper .and. close_to(trial, [upper, 0.0_wp], 1.0e-14_wp), 'not beyond the bound')
        end do
        call check(beyond > 0, 'the sum is rounded up for some')
    end subroutine trial_points_are_rounded_to_the_inside

    !> Residuals that vanish, and a column that does: the run that traps invalid operations sees to it.
    subroutine what_is_zero_is_not_divided_by()
        call check(ends_at_once(0.0_wp, [0.0_wp, 0.0_wp], [1.0_wp, 1.0_wp]), 'no residuals')
        call check(ends_at_once(5.0_wp, [0.0_wp, 3.0_wp], [1.0_wp, 0.0_wp]), 'no column')
    end subroutine what_is_zero_is_not_divided_by

    !> Whether the gradient, all zeros, ends the fit.
    function ends_at_once(fnorm, qtf, acnorm) result(ends)
        real(wp), intent(in) :: fnorm, qtf(2)
        real(wp), intent(in) :: acnorm(2) !! the diagonal of R, and norms of its columns
        logical :: ends

        real(wp) :: r(2, 2), diag(2), wa1(2), wa2(2)
        type(lm_fit) :: fit

        r = reshape([acnorm(1), 0.0_wp, 0.0_wp, acnorm(2)], [2, 2])
        fit = begun(fnorm, .true., .false.)
        call lm_take_factor(fit, 2_ip, r, 2_ip, [1_ip, 2_ip], qtf, acnorm, [1.0_wp, 1.0_wp], [1.0_wp, 0.0_wp], &
                            [2.0_wp, 1.0_wp], diag, wa1, wa2)
        ends = fit%gnorm == 0 .and. fit%info == info_gtol
    end function ends_at_once

end program test_box
