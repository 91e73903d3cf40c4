!> The iteration by the loop in next.f90's header, and its decisions side by side.
program test_iteration
    use callbacks, only: decay, highest, rosenbrock_jacobian, watched
    use checks, only: check, close_to, conclude
    use, intrinsic :: ieee_arithmetic, only: ieee_positive_inf, ieee_value
    use fits, only: begun, look, run
    use minpack_decide, only: lm_decide
    use minpack_fit_types, only: lm_fit, wall_met
    use minpack_info
    use minpack_kinds, only: ip, wp
    use minpack_lmder, only: lmder
    implicit none

    real(wp), parameter :: far(2) = huge(1.0_wp)

    call loop_solves_rosenbrock()
    call loop_takes_the_steps_of_lmder()
    call loop_keeps_to_the_bounds()
    call loop_begins_anew_where_scaling_keeps_steps_short()
    call fit_begins_anew_where_that_promises_much()
    call decisions_are_the_same_side_by_side()
    call conclude()

contains

    subroutine loop_solves_rosenbrock()
        real(wp) :: x(2), f(2), diag(2)
        type(lm_fit) :: fit
        integer(ip) :: way

        do way = 0, 3
            x = [-1.2_wp, 1.0_wp]
            call run(rosenbrock_jacobian, 2_ip, x, f, diag, -far, far, way > 1, mod(way, 2_ip) == 1, fit)
            call check(any(fit%info == [info_ftol, info_xtol, info_ftol_and_xtol, info_gtol]), 'the loop converges')
            call check(close_to(x, [1.0_wp, 1.0_wp], 1.0e-8_wp), 'the loop solves Rosenbrock')
            call check(fit%fnorm == norm2(f) .and. all(f == [10*(x(2) - x(1)**2), 1 - x(1)]), 'x and f belong together')
            call check(fit%nit > 5 .and. fit%nfev > fit%nit, 'evaluations are counted')
            call check(fit%njev == fit%nit + merge(1, 0, fit%restarts /= 0 .or. fit%info == info_gtol), 'and Jacobians')
            call check(fit%stage == is_over .and. fit%restart_norm <= 0, 'it has ended, without a restart')
        end do
    end subroutine loop_solves_rosenbrock

    !> To the bit, bounds far off or none.
    subroutine loop_takes_the_steps_of_lmder()
        real(wp) :: x(2), y(2), f(2), diag(2), scale(2), fvec(2), fjac(2, 2), qtf(2), wa(2, 4)
        integer(ip) :: info, ipvt(2), nfev, njev, way
        type(lm_fit) :: fit

        y = [-1.2_wp, 1.0_wp]
        call lmder(rosenbrock_jacobian, 2_ip, 2_ip, y, fvec, fjac, 2_ip, 1.0e-10_wp, 1.0e-10_wp, 0.0_wp, 500_ip, scale, &
                   1_ip, 100.0_wp, 0_ip, info, nfev, njev, ipvt, qtf, wa(1, 1), wa(1, 2), wa(1, 3), wa(1, 4))
        do way = 0, 1
            x = [-1.2_wp, 1.0_wp]
            call run(rosenbrock_jacobian, 2_ip, x, f, diag, -far, far, way == 1, .false., fit)
            call check(all(x == y) .and. all(f == fvec) .and. all(diag == scale), 'where lmder ends')
            call check(fit%info == info .and. fit%nfev == nfev .and. fit%njev == njev, 'and as lmder does')
        end do
    end subroutine loop_takes_the_steps_of_lmder

    subroutine loop_keeps_to_the_bounds()
        real(wp), parameter :: lower(2) = [-2.0_wp, -1.0_wp], upper(2) = [0.5_wp, 3.0_wp]
        real(wp) :: x(2), f(2), diag(2)
        type(lm_fit) :: fit
        integer(ip) :: way

        do way = 0, 1
            x = [-1.2_wp, 1.0_wp]
            highest = -huge(1.0_wp)
            call run(watched, 2_ip, x, f, diag, lower, upper, .true., way == 1, fit)
        call check(any(fit%info == [info_ftol, info_xtol, info_ftol_and_xtol, info_gtol]), 'the loop converges within bounds')
            call check(x(1) == 0.5_wp .and. close_to(x, [0.5_wp, 0.25_wp], 1.0e-6_wp), 'on a bound')
            call check(all(highest <= upper), 'nothing is evaluated beyond')
        end do
    end subroutine loop_keeps_to_the_bounds

    !> From a decay that grows to exp(60): without restarts the fit ends where it began.
    subroutine loop_begins_anew_where_scaling_keeps_steps_short()
        real(wp) :: x(2), f(40), diag(2)
        type(lm_fit) :: fit

        x = [1.0_wp, -6.0_wp]
        call run(decay, 40_ip, x, f, diag, -far, far, .false., .false., fit)
        call check(x(2) < -1, 'MINPACK ends at once')
        x = [1.0_wp, -6.0_wp]
        call run(decay, 40_ip, x, f, diag, -far, far, .false., .true., fit)
        call check(fit%restart_norm > 0 .and. close_to(x, [2.0_wp, 0.5_wp], 1.0e-8_wp), 'a restart goes on')
        x = [1.0_wp, -6.0_wp]
        call run(decay, 40_ip, x, f, diag, [0.0_wp, -7.0_wp], [9.0_wp, 0.25_wp], .true., .true., fit)
        call check(fit%restart_norm > 0 .and. x(2) == 0.25_wp, 'within bounds, too')
    end subroutine loop_begins_anew_where_scaling_keeps_steps_short

    subroutine fit_begins_anew_where_that_promises_much()
        type(lm_fit) :: fit, over
        real(wp) :: diag(2)
        integer(ip) :: wanted

        over = begun(5.0_wp, .false., .true.)
        over%iteration = 8
        over%info = info_ftol
        over%stage = needs_look
        fit = over
        diag = [1.0e6_wp, 1.0e3_wp]
        call look(fit, diag, wanted)
        call check(wanted == want_norm .and. fit%info == info_running .and. fit%iteration == 2, 'the fit goes on')
        call check(fit%restart_norm == 5 .and. close_to(diag, [1.0_wp, 1.0_wp], 1.0e-15_wp), 'with fresh scaling')
        fit = over
        fit%restart_norm = 5
        diag = [1.0e6_wp, 1.0e3_wp]
        call look(fit, diag, wanted)
        call check(wanted == ended .and. fit%info == info_ftol, 'but not twice for nothing')
        call check(all(diag == [1.0e6_wp, 1.0e3_wp]), 'nor does it change then')
        fit = over
        fit%info = info_running
        fit%delta = 1
        diag = 1.0e6_wp
        call look(fit, diag, wanted)
        call check(wanted == want_norm .and. fit%restart_norm <= 0, 'scaling that is too large alike is not outdated')
    end subroutine fit_begins_anew_where_that_promises_much

    !> Many fits at once get what each would get alone: accepted, rejected, ended, at a wall.
    subroutine decisions_are_the_same_side_by_side()
        integer, parameter :: many = 7
        type(lm_fit) :: together(many), alone(many)
        real(wp) :: norms(many), xnorms(many)
        integer :: i

        norms = [1.0_wp, 4.99_wp, 5.0_wp, 6.0_wp, 60.0_wp, ieee_value(1.0_wp, ieee_positive_inf), 5 - 1.0e-13_wp]
        xnorms = [(real(i, wp), i=1, many)]
        together = begun(5.0_wp, .false., .false.)
        do i = 1, many
            together(i)%delta = i
            together(i)%pnorm = i/2.0_wp
            together(i)%prered = merge(1.0e-13_wp, 0.9_wp, i == many)
            together(i)%dirder = -0.5_wp*together(i)%prered
            together(i)%par = mod(i, 3)
            together(i)%gnorm = 0.5_wp
        end do
        alone = together
        call lm_decide(norms, xnorms, together)
        do i = 1, many
            call lm_decide(norms(i), xnorms(i), alone(i))
            call check(all(transfer(together(i), [0_ip]) == transfer(alone(i), [0_ip])), 'the same bits')
        end do
        call check(all(together%accepted == [1, 1, 0, 0, 0, 0, 1]), 'what is accepted')
        call check(all(together%info == [(info_running, i=1, many - 1), info_ftol]), 'what has ended')
        call check(together(6)%wall == wall_met .and. count(together%wall == wall_met) == 1, 'where the wall is')
        call check(close_to(together(:6)%delta, [1.0_wp, 1.0_wp, 1.5_wp, 0.9_wp/0.67_wp, 0.5_wp, 0.6_wp], 1.0e-14_wp), &
                   'step bounds')
    end subroutine decisions_are_the_same_side_by_side

end program test_iteration
