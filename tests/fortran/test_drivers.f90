!> The drivers, hard and easy, called from Fortran as MINPACK's are.
program test_drivers
    use callbacks
    use checks, only: check, close_to, conclude
    use minpack_boxsolv, only: boxsolv_vectors
    use minpack_callbacks, only: jacobian_function
    use minpack_constants, only: machine_precision, mode_internal_scaling
    use minpack_enorm, only: enorm
    use minpack_info
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: blocks_work
    use minpack_lm_types, only: lm_begin, lm_control, lm_state
    use minpack_lmbox, only: lm_counts, lm_source, lmbox
    use minpack_lmder, only: lmder1
    use minpack_lmdif, only: lmdif, lmdif1
    use minpack_lmstr, only: lmstr1
    implicit none

    real(wp), parameter :: solution(2) = [1.0_wp, 1.0_wp], tol = 1.0e-12_wp

    call easy_drivers_solve_rosenbrock()
    call easy_drivers_refuse_improper_input()
    call evaluations_are_counted()
    call callback_can_stop()
    call iterates_can_be_watched()
    call scaling_of_the_user_is_kept()
    call evaluations_are_limited()
    call single_precision_models_fit()
    call infinite_residuals_shorten_the_step()
    call box_driver_solves_rosenbrock()
    call box_driver_keeps_to_the_bounds()
    call box_driver_takes_the_steps_of_lmdif()
    call box_driver_can_be_stopped_and_resumed()
    call box_driver_finds_single_precision_out()
    call conclude()

contains

    subroutine easy_drivers_solve_rosenbrock()
        real(wp) :: x(2), fvec(2), fjac(2, 2), wa(100)
        integer(ip) :: info, ipvt(2)

        x = [-1.2_wp, 1.0_wp]
        call lmdif1(rosenbrock, 2, 2, x, fvec, tol, info, ipvt, wa, size(wa, kind=ip))
        call check(any(info == [1, 2, 3, 4]) .and. close_to(x, solution, 1.0e-8_wp), 'lmdif1 solves Rosenbrock')
        x = [-1.2_wp, 1.0_wp]
        call lmder1(rosenbrock_jacobian, 2, 2, x, fvec, fjac, 2, tol, info, ipvt, wa, size(wa, kind=ip))
        call check(any(info == [1, 2, 3, 4]) .and. close_to(x, solution, 1.0e-12_wp), 'lmder1 solves Rosenbrock')
        x = [-1.2_wp, 1.0_wp]
        call lmstr1(rosenbrock_row, 2, 2, x, fvec, fjac, 2, tol, info, ipvt, wa, size(wa, kind=ip))
        call check(any(info == [1, 2, 3, 4]) .and. close_to(x, solution, 1.0e-12_wp), 'lmstr1 solves Rosenbrock')
    end subroutine easy_drivers_solve_rosenbrock

    subroutine easy_drivers_refuse_improper_input()
        real(wp) :: x(2), fvec(2), fjac(2, 2), wa(100)
        integer(ip) :: info, ipvt(2)

        x = solution
        call lmdif1(rosenbrock, 1, 2, x, fvec, tol, info, ipvt, wa, size(wa, kind=ip))
        call check(info == info_improper_input, 'lmdif1 refuses m < n')
        call lmdif1(rosenbrock, 2, 2, x, fvec, -tol, info, ipvt, wa, size(wa, kind=ip))
        call check(info == info_improper_input, 'lmdif1 refuses a negative tolerance')
        call lmdif1(rosenbrock, 2, 2, x, fvec, tol, info, ipvt, wa, 15_ip)
        call check(info == info_improper_input, 'lmdif1 refuses a short workspace')
        call lmder1(rosenbrock_jacobian, 2, 2, x, fvec, fjac, 1, tol, info, ipvt, wa, size(wa, kind=ip))
        call check(info == info_improper_input, 'lmder1 refuses a leading dimension below m')
        call lmstr1(rosenbrock_row, 2, 2, x, fvec, fjac, 1, tol, info, ipvt, wa, size(wa, kind=ip))
        call check(info == info_improper_input, 'lmstr1 refuses a leading dimension below n')
    end subroutine easy_drivers_refuse_improper_input

    !> lmdif on m residuals and 2 parameters, with what the tests vary.
    subroutine fit(fcn, m, x, info, nfev, maxfev, mode, diag, nprint)
        use minpack_callbacks, only: residual_function
        procedure(residual_function) :: fcn
        integer(ip), intent(in) :: m
        real(wp), intent(inout) :: x(:)
        integer(ip), intent(out) :: info, nfev
        integer(ip), intent(in), optional :: maxfev, mode, nprint
        real(wp), intent(inout), optional :: diag(:)

        real(wp), dimension(size(x)) :: d, qtf, wa1, wa2, wa3
        real(wp) :: fvec(m), fjac(m, size(x)), wa4(m)
        integer(ip) :: ipvt(size(x)), limit, how, every, n

        n = size(x, kind=ip)
        limit = 500
        how = 1
        every = 0
        d = 1
        if (present(maxfev)) limit = maxfev
        if (present(mode)) how = mode
        if (present(nprint)) every = nprint
        if (present(diag)) d = diag
        call lmdif(fcn, m, n, x, fvec, 1.0e-10_wp, 1.0e-10_wp, 0.0_wp, limit, 0.0_wp, d, how, 100.0_wp, every, &
                   info, nfev, fjac, m, ipvt, qtf, wa1, wa2, wa3, wa4)
        if (present(diag)) diag = d
    end subroutine fit

    subroutine evaluations_are_counted()
        real(wp) :: x(2)
        integer(ip) :: info, nfev

        calls = 0
        x = [-1.2_wp, 1.0_wp]
        call fit(rosenbrock, 2_ip, x, info, nfev)
        call check(nfev == calls, 'nfev is the number of calls')
    end subroutine evaluations_are_counted

    subroutine callback_can_stop()
        real(wp) :: x(2)
        integer(ip) :: info, nfev

        do stop_at = 1, 6
            calls = 0
            x = [-1.2_wp, 1.0_wp]
            call fit(stopper, 2_ip, x, info, nfev)
            call check(info == -7, 'info is the negative iflag')
            call check(all(x == [-1.2_wp, 1.0_wp]) .or. calls > 4, 'x is put back when differences are cut short')
        end do
    end subroutine callback_can_stop

    subroutine iterates_can_be_watched()
        real(wp) :: x(2)
        integer(ip) :: info, nfev

        looks = 0
        x = [-1.2_wp, 1.0_wp]
        call fit(rosenbrock, 2_ip, x, info, nfev, nprint=1_ip)
        call check(looks > 3, 'nprint = 1 shows every iterate')
    end subroutine iterates_can_be_watched

    subroutine scaling_of_the_user_is_kept()
        real(wp) :: x(2), diag(2)
        integer(ip) :: info, nfev

        x = 0
        diag = [2.0_wp, 5.0_wp]
        call fit(line, 8_ip, x, info, nfev, mode=2_ip, diag=diag)
        call check(all(diag == [2.0_wp, 5.0_wp]), 'mode 2 keeps diag')
        call check(close_to(x, [3.0_wp, 2.0_wp], 1.0e-8_wp), 'mode 2 finds the line')
        diag = [2.0_wp, 0.0_wp]
        call fit(line, 8_ip, x, info, nfev, mode=2_ip, diag=diag)
        call check(info == info_improper_input, 'mode 2 refuses a zero in diag')
        x = 0
        diag = 0
        call fit(line, 8_ip, x, info, nfev, diag=diag)
        call check(close_to(diag, [sqrt(8.0_wp), sqrt(204.0_wp)], 1.0e-7_wp), 'mode 1 scales by column norms')
    end subroutine scaling_of_the_user_is_kept

    subroutine evaluations_are_limited()
        real(wp) :: x(2)
        integer(ip) :: info, nfev

        x = [-1.2_wp, 1.0_wp]
        call fit(rosenbrock, 2_ip, x, info, nfev, maxfev=5_ip)
        call check(info == info_maxfev .and. nfev >= 5 .and. nfev < 9, 'maxfev ends the fit')
    end subroutine evaluations_are_limited

    subroutine single_precision_models_fit()
        real(wp) :: x(2)
        integer(ip) :: info, nfev

        calls = 0
        x = 1
        call fit(in_single, 12_ip, x, info, nfev)
        call check(close_to(x, [2.0_wp, 0.5_wp], 1.0e-5_wp), 'a model in single precision fits')
        call check(nfev == calls, 'nfev counts the evaluation that found it out')
    end subroutine single_precision_models_fit

    subroutine infinite_residuals_shorten_the_step()
        real(wp) :: x(1)
        integer(ip) :: info, nfev

        x = 10
        call fit(log_model, 1_ip, x, info, nfev)
        call check(any(info == [1, 2, 3, 4]) .and. close_to(x, [3.0_wp], 1.0e-8_wp), 'a step too far is shortened')
    end subroutine infinite_residuals_shorten_the_step

    !> All that lmbox is given and gives, but its scratch.
    subroutine begin_fit(fcn, m, x, by_differences, f, diag, state, counts, source)
        procedure(jacobian_function) :: fcn
        integer(ip), intent(in) :: m
        real(wp), intent(in) :: x(2)
        logical, intent(in) :: by_differences
        real(wp), intent(out) :: f(m), diag(2)
        type(lm_state), intent(out) :: state
        type(lm_counts), intent(out) :: counts
        type(lm_source), intent(out) :: source

        real(wp) :: unused(m, 2)
        integer(ip) :: iflag

        iflag = 1
        unused = 0
        call fcn(m, 2_ip, x, f, unused, m, iflag)
        diag = 1
        state = lm_begin(enorm(m, f))
        counts = lm_counts(nfev=1, njev=0, nit=0)
        source = lm_source(precision=machine_precision, by_differences=merge(1_ip, 0_ip, by_differences), tried=0, boxed=0, &
                           by_blocks=0, floored=0, renewed=0)
    end subroutine begin_fit

    !> lmbox, with scratch of its own.
    subroutine go_on(fcn, m, x, f, diag, state, counts, source, lower, upper, status, current, fjac)
        procedure(jacobian_function) :: fcn
        integer(ip), intent(in) :: m
        real(wp), intent(inout) :: x(2), f(m), diag(2)
        type(lm_state), intent(inout) :: state
        type(lm_counts), intent(inout) :: counts
        type(lm_source), intent(inout) :: source
        real(wp), intent(in) :: lower(2), upper(2)
        integer(ip), intent(out) :: status, current
        real(wp), intent(out) :: fjac(m, 2)

        type(lm_control), parameter :: control = lm_control(ftol=1.0e-10_wp, xtol=1.0e-10_wp, gtol=0, factor=100, &
                                                            maxfev=200, mode=mode_internal_scaling)
        real(wp) :: typical(2), eta(2), r(2, 2), qtf(2), acnorm(2), wa1(2), wa2(2), wa3(2), wa4(2), wa5(m)
        real(wp) :: box(2, 2 + 6 + boxsolv_vectors), factor(blocks_work(2_ip) + 2*m)
        integer(ip) :: ipvt(2), side(2), place(2, 2)

        typical = 0
        eta = 0
        call lmbox(fcn, control, source, m, 2_ip, x, f, diag, state, counts, lower, upper, typical, eta, status, current, &
                   fjac, r, ipvt, qtf, acnorm, wa1, wa2, wa3, wa4, wa5, side, place, box, factor)
    end subroutine go_on

    !> With the Jacobian and by differences, by columns and by blocks.
    subroutine box_driver_solves_rosenbrock()
        real(wp), parameter :: far(2) = huge(1.0_wp)
        real(wp) :: x(2), f(2), diag(2), fjac(2, 2)
        type(lm_state) :: state
        type(lm_counts) :: counts
        type(lm_source) :: source
        integer(ip) :: status, current, way

        do way = 0, 3
            x = [-1.2_wp, 1.0_wp]
            call begin_fit(rosenbrock_jacobian, 2_ip, x, way > 1, f, diag, state, counts, source)
            source%by_blocks = mod(way, 2_ip)
            call go_on(rosenbrock_jacobian, 2_ip, x, f, diag, state, counts, source, -far, far, status, current, fjac)
            call check(status == 0 .and. any(state%info == [1, 2, 3, 4]), 'lmbox converges')
            call check(close_to(x, solution, 1.0e-8_wp), 'lmbox solves Rosenbrock')
            call check(current == 1, 'lmbox leaves the Jacobian at the end')
            call check(close_to(fjac(1, :), [-20*x(1), 10.0_wp], 1.0e-6_wp), 'and it is right')
            call check(counts%nit > 5 .and. counts%nfev > counts%nit .and. counts%njev > counts%nit, 'lmbox counts')
        end do
    end subroutine box_driver_solves_rosenbrock

    subroutine box_driver_keeps_to_the_bounds()
        real(wp), parameter :: lower(2) = [-2.0_wp, -1.0_wp], upper(2) = [0.5_wp, 3.0_wp]
        real(wp) :: x(2), f(2), diag(2), fjac(2, 2)
        type(lm_state) :: state
        type(lm_counts) :: counts
        type(lm_source) :: source
        integer(ip) :: status, current, way

        do way = 0, 1
            x = [-1.2_wp, 1.0_wp]
            highest = -huge(1.0_wp)
            call begin_fit(watched, 2_ip, x, way == 1, f, diag, state, counts, source)
            source%boxed = 1
            call go_on(watched, 2_ip, x, f, diag, state, counts, source, lower, upper, status, current, fjac)
            call check(status == 0 .and. any(state%info == [1, 2, 3, 4]), 'lmbox converges within bounds')
            call check(close_to(x, [0.5_wp, 0.25_wp], 1.0e-6_wp), 'lmbox finds the minimum on a bound')
            call check(all(highest <= upper), 'lmbox evaluates nothing beyond')
        end do
    end subroutine box_driver_keeps_to_the_bounds

    subroutine box_driver_takes_the_steps_of_lmdif()
        real(wp), parameter :: far(2) = huge(1.0_wp)
        real(wp) :: x(2), y(2), f(2), diag(2), fjac(2, 2)
        type(lm_state) :: state
        type(lm_counts) :: counts
        type(lm_source) :: source
        integer(ip) :: status, current, info, nfev

        x = [-1.2_wp, 1.0_wp]
        y = x
        call begin_fit(rosenbrock_jacobian, 2_ip, x, .true., f, diag, state, counts, source)
        call go_on(rosenbrock_jacobian, 2_ip, x, f, diag, state, counts, source, -far, far, status, current, fjac)
        call fit(rosenbrock, 2_ip, y, info, nfev)
        call check(all(x == y) .and. state%info == info, 'lmbox takes the steps of lmdif')
    end subroutine box_driver_takes_the_steps_of_lmdif

    !> At any call, and to the same end.
    subroutine box_driver_can_be_stopped_and_resumed()
        real(wp), parameter :: far(2) = huge(1.0_wp)
        real(wp) :: x(2), whole(2), f(2), diag(2), fjac(2, 2)
        type(lm_state) :: state
        type(lm_counts) :: counts
        type(lm_source) :: source
        integer(ip) :: status, current, way
        integer :: call_number, last

        do way = 0, 1
            do call_number = 0, 500
                if (call_number > 1 .and. call_number > last) exit
                calls = 0
                stop_at = call_number
                x = [-1.2_wp, 1.0_wp]
                call begin_fit(jacobian_stopper, 2_ip, x, way == 1, f, diag, state, counts, source)
                call go_on(jacobian_stopper, 2_ip, x, f, diag, state, counts, source, -far, far, status, current, fjac)
                if (call_number == 0) then
                    last = calls
                    whole = x
                    call check(status == 0, 'a fit that nobody stops ends by itself')
                else if (call_number > 1) then ! the first call is not lmbox's
                    call check(status == -7 .and. calls == call_number, 'lmbox stops where it is asked to')
                    call check(close_to(f, [10*(x(2) - x(1)**2), 1 - x(1)], 1.0e-15_wp), 'x and f belong together')
                    call go_on(jacobian_stopper, 2_ip, x, f, diag, state, counts, source, -far, far, status, current, fjac)
                    call check(status == 0 .and. close_to(x, whole, 1.0e-12_wp), 'lmbox goes on to the same end')
                end if
            end do
            call check(last > 20, 'there were calls to stop at')
        end do
        stop_at = 0
    end subroutine box_driver_can_be_stopped_and_resumed

    !> Free and within bounds, where longer steps turn.
    subroutine box_driver_finds_single_precision_out()
        real(wp) :: x(2), f(12), diag(2), fjac(12, 2), upper(2)
        type(lm_state) :: state
        type(lm_counts) :: counts
        type(lm_source) :: source
        integer(ip) :: status, current, way

        do way = 0, 1
            upper = merge(2.5_wp, huge(1.0_wp), way == 1)
            x = 1
            call begin_fit(in_single_either, 12_ip, x, .true., f, diag, state, counts, source)
            source%boxed = way
            call go_on(in_single_either, 12_ip, x, f, diag, state, counts, source, -upper, upper, status, current, fjac)
            call check(status == 0 .and. close_to(x, [2.0_wp, 0.5_wp], 1.0e-5_wp), 'lmbox fits in single precision')
            call check(source%tried == 1 .and. source%precision > 1.0e-8_wp, 'lmbox finds single precision out')
        end do
    end subroutine box_driver_finds_single_precision_out

end program test_drivers
