!> Nonlinear least squares, the Jacobian row by row and never stored.
module minpack_lmstr
    use, intrinsic :: iso_c_binding, only: c_size_t
    use minpack_callbacks, only: row_function
    use minpack_constants, only: mode_internal_scaling
    use minpack_info, only: info_gtol, info_gtol_too_small, info_improper_input
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: lm_factor
    use minpack_lm_solve, only: lm_solve, lm_source, to_differentiate
    use minpack_rwupdt, only: rwupdt
    use minpack_triangle, only: triangle_norms
    implicit none
    private
    public :: lmstr, lmstr1

    !> The user's residuals and rows of the Jacobian.
    type, extends(lm_source) :: row_source
        procedure(row_function), pointer, nopass :: fcn
    contains
        procedure :: residuals
        procedure :: jacobian
        procedure :: factor => pivot_if_singular
    end type row_source

contains

    !> Minimizes ‖F(x)‖² by the Levenberg-Marquardt method of Moré (1978), in memory for n² + m numbers.
    recursive subroutine lmstr(fcn, m, n, x, fvec, fjac, ldfjac, ftol, xtol, gtol, maxfev, diag, mode, factor, &
                               nprint, info, nfev, njev, ipvt, qtf, wa1, wa2, wa3, wa4) bind(c, name="lmstr_")
        procedure(row_function) :: fcn !! the residuals F and the rows of their Jacobian
        integer(ip), intent(in) :: m, n !! as in lmder, like all that follows without a word
        real(wp), intent(inout) :: x(n), fvec(m)
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= n
        real(wp), intent(inout) :: fjac(ldfjac, n), diag(n)
        real(wp), intent(in) :: ftol, xtol, gtol, factor
        integer(ip), intent(in) :: maxfev, mode, nprint
        integer(ip), intent(out) :: info, nfev, njev
        integer(ip), intent(inout) :: ipvt(n)
        real(wp), intent(inout) :: qtf(n), wa1(n), wa2(n), wa3(n), wa4(m)

        type(row_source) :: source

        source%fcn => fcn
        call lm_solve(source, m, n, x, fvec, ftol, xtol, gtol, maxfev, diag, mode, factor, nprint, info, nfev, njev, fjac, &
                      ldfjac, n, ipvt, qtf, wa1, wa2, wa3, wa4)
    end subroutine lmstr

    recursive subroutine residuals(self, m, n, x, f, fjac, ldfjac, row, iflag)
        class(row_source), intent(in) :: self
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: f(m), fjac(ldfjac, n), row(n)
        integer(ip), intent(inout) :: iflag

        call self%fcn(m, n, x, f, row, iflag)
    end subroutine residuals

    !> R and Qᵀf of the Jacobian at x, one row after the other.
    recursive subroutine jacobian(self, m, n, x, f, fjac, ldfjac, qtf, wa1, wa2, wa3, wa4, calls, iflag)
        class(row_source), intent(in) :: self
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(inout) :: x(n), f(m), fjac(ldfjac, n), qtf(n), wa1(n), wa2(n), wa3(n), wa4(m)
        integer(ip), intent(out) :: calls, iflag

        real(wp) :: side
        integer(ip) :: i

        calls = 0
        fjac(1:n, :) = 0
        qtf = 0
        do i = 1, m
            iflag = to_differentiate + i - 1
            call self%fcn(m, n, x, f, wa3, iflag)
            if (iflag < 0) return
            side = f(i)
            call rwupdt(n, fjac, ldfjac, wa3, qtf, side, wa1, wa2)
        end do
    end subroutine jacobian

    !> Leaves a nonsingular triangle as it is; factors a singular one once more, with pivoting.
    pure subroutine pivot_if_singular(self, m, n, f, fjac, ldfjac, ipvt, qtf, acnorm, wa1, wa3, wa4)
        class(row_source), intent(in) :: self
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(in) :: f(m)
        real(wp), intent(inout) :: fjac(ldfjac, n), qtf(n), acnorm(n), wa1(n), wa3(n), wa4(m)
        integer(ip), intent(inout) :: ipvt(n)

        logical :: singular
        integer(ip) :: j

        singular = .false.
        do j = 1, n
            if (fjac(j, j) == 0) singular = .true.
            ipvt(j) = j
        end do
        call triangle_norms(n, fjac, ldfjac, acnorm)
        if (.not. singular) return
        wa4(1:n) = qtf
        call lm_factor(n, n, fjac, ldfjac, ipvt, wa4, qtf, acnorm, wa1, wa3)
    end subroutine pivot_if_singular

    !> lmstr with one tolerance, and every other choice made.
    recursive subroutine lmstr1(fcn, m, n, x, fvec, fjac, ldfjac, tol, info, ipvt, wa, lwa) bind(c, name="lmstr1_")
        procedure(row_function) :: fcn !! the residuals F and the rows of their Jacobian
        integer(ip), intent(in) :: m, n, ldfjac !! as in lmstr, like all that follows without a word
        real(wp), intent(inout) :: x(n), fvec(m), fjac(ldfjac, n)
        real(wp), intent(in) :: tol !! tolerance on reductions and steps, >= 0
        integer(ip), intent(out) :: info
        integer(ip), intent(in) :: lwa !! length of wa, >= 5 n + m
        integer(ip), intent(inout) :: ipvt(n)
        real(wp), intent(inout) :: wa(lwa) !! scratch

        integer(ip) :: maxfev, nfev, njev

        info = info_improper_input
        if (n <= 0 .or. m < n .or. ldfjac < n .or. tol < 0) return
        if (lwa < 5_c_size_t*n + m) return ! 64 bits, which it can't exceed
        maxfev = 100*(n + 1)
        call lmstr(fcn, m, n, x, fvec, fjac, ldfjac, tol, tol, 0.0_wp, maxfev, wa(1), mode_internal_scaling, 100.0_wp, &
                   0_ip, info, nfev, njev, ipvt, wa(n + 1), wa(2*n + 1), wa(3*n + 1), wa(4*n + 1), wa(5*n + 1))
        if (info == info_gtol_too_small) info = info_gtol
    end subroutine lmstr1

end module minpack_lmstr
