!> Nonlinear least squares, the Jacobian by forward differences.
module minpack_lmdif
    use, intrinsic :: iso_c_binding, only: c_size_t
    use minpack_callbacks, only: residual_function
    use minpack_constants, only: mode_internal_scaling
    use minpack_fdjac2, only: fdjac2
    use minpack_info, only: info_gtol, info_gtol_too_small, info_improper_input
    use minpack_kinds, only: ip, wp
    use minpack_lm_solve, only: lm_solve, lm_source, to_differentiate
    implicit none
    private
    public :: lmdif, lmdif1

    !> The user's residuals, and differences of them.
    type, extends(lm_source) :: differences_source
        procedure(residual_function), pointer, nopass :: fcn
        real(wp) :: epsfcn
    contains
        procedure :: residuals
        procedure :: jacobian
    end type differences_source

contains

    !> Minimizes ‖F(x)‖² by the Levenberg-Marquardt method of Moré (1978).
    recursive subroutine lmdif(fcn, m, n, x, fvec, ftol, xtol, gtol, maxfev, epsfcn, diag, mode, factor, nprint, &
                               info, nfev, fjac, ldfjac, ipvt, qtf, wa1, wa2, wa3, wa4) bind(c, name="lmdif_")
        procedure(residual_function) :: fcn !! the residuals F
        integer(ip), intent(in) :: m, n !! as in lmder, like all that follows without a word
        real(wp), intent(inout) :: x(n), fvec(m)
        real(wp), intent(in) :: ftol, xtol, gtol, factor
        real(wp), intent(in) :: epsfcn !! relative error of the residuals; up to ε it counts as ε
        integer(ip), intent(in) :: maxfev, mode, nprint, ldfjac
        real(wp), intent(inout) :: diag(n), fjac(ldfjac, n)
        integer(ip), intent(out) :: info
        integer(ip), intent(out) :: nfev !! evaluations of the residuals, those for differences included
        integer(ip), intent(inout) :: ipvt(n)
        real(wp), intent(inout) :: qtf(n), wa1(n), wa2(n), wa3(n), wa4(m)

        type(differences_source) :: source
        integer(ip) :: njev

        source%fcn => fcn
        source%epsfcn = epsfcn
        call lm_solve(source, m, n, x, fvec, ftol, xtol, gtol, maxfev, diag, mode, factor, nprint, info, nfev, njev, fjac, &
                      ldfjac, m, ipvt, qtf, wa1, wa2, wa3, wa4)
    end subroutine lmdif

    recursive subroutine residuals(self, m, n, x, f, fjac, ldfjac, row, iflag)
        class(differences_source), intent(in) :: self
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: f(m), fjac(ldfjac, n), row(n)
        integer(ip), intent(inout) :: iflag

        call self%fcn(m, n, x, f, iflag)
    end subroutine residuals

    recursive subroutine jacobian(self, m, n, x, f, fjac, ldfjac, qtf, wa1, wa2, wa3, wa4, calls, iflag)
        class(differences_source), intent(in) :: self
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(inout) :: x(n), f(m), fjac(ldfjac, n), qtf(n), wa1(n), wa2(n), wa3(n), wa4(m)
        integer(ip), intent(out) :: calls, iflag

        iflag = to_differentiate
        call fdjac2(self%fcn, m, n, x, f, fjac, ldfjac, iflag, self%epsfcn, wa4)
        calls = n
    end subroutine jacobian

    !> lmdif with one tolerance, and every other choice made.
    recursive subroutine lmdif1(fcn, m, n, x, fvec, tol, info, iwa, wa, lwa) bind(c, name="lmdif1_")
        procedure(residual_function) :: fcn !! the residuals F
        integer(ip), intent(in) :: m, n !! as in lmdif, like all that follows without a word
        real(wp), intent(inout) :: x(n), fvec(m)
        real(wp), intent(in) :: tol !! tolerance on reductions and steps, >= 0
        integer(ip), intent(out) :: info
        integer(ip), intent(inout) :: iwa(n) !! scratch
        integer(ip), intent(in) :: lwa !! length of wa, >= m n + 5 n + m
        real(wp), intent(inout) :: wa(lwa) !! scratch

        integer(ip) :: maxfev, nfev

        info = info_improper_input
        if (n <= 0 .or. m < n .or. tol < 0) return
        if (lwa < int(m, c_size_t)*n + 5_c_size_t*n + m) return ! 64 bits, which m n can't exceed
        maxfev = 200*(n + 1)
        call lmdif(fcn, m, n, x, fvec, tol, tol, 0.0_wp, maxfev, 0.0_wp, wa(1), mode_internal_scaling, 100.0_wp, 0_ip, &
                   info, nfev, wa(5*n + m + 1), m, iwa, wa(n + 1), wa(2*n + 1), wa(3*n + 1), wa(4*n + 1), wa(5*n + 1))
        if (info == info_gtol_too_small) info = info_gtol
    end subroutine lmdif1

end module minpack_lmdif
