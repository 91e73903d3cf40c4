!> The drivers, hard and easy, called from Fortran as MINPACK's are.
program test_drivers
    use callbacks
    use checks, only: check, close_to, conclude
    use minpack_info
    use minpack_kinds, only: ip, wp
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
    call infinite_residuals_shorten_the_step()
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

    subroutine infinite_residuals_shorten_the_step()
        real(wp) :: x(1)
        integer(ip) :: info, nfev

        x = 10
        call fit(log_model, 1_ip, x, info, nfev)
        call check(any(info == [1, 2, 3, 4]) .and. close_to(x, [3.0_wp], 1.0e-8_wp), 'a step too far is shortened')
    end subroutine infinite_residuals_shorten_the_step

end program test_drivers
