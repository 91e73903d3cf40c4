!> Nonlinear least squares, the Jacobian from the user.
module minpack_lmder
    use, intrinsic :: iso_c_binding, only: c_size_t
    use minpack_callbacks, only: jacobian_function
    use minpack_constants, only: mode_internal_scaling
    use minpack_info, only: info_gtol, info_gtol_too_small, info_improper_input
    use minpack_kinds, only: ip, wp
    use minpack_lm_solve, only: lm_solve, lm_source, to_differentiate
    implicit none
    private
    public :: lmder, lmder1

    !> The user's residuals and Jacobian.
    type, extends(lm_source) :: jacobian_source
        procedure(jacobian_function), pointer, nopass :: fcn
    contains
        procedure :: residuals
        procedure :: jacobian
    end type jacobian_source

contains

    !> Minimizes ‖F(x)‖² by the Levenberg-Marquardt method of Moré (1978).
    recursive subroutine lmder(fcn, m, n, x, fvec, fjac, ldfjac, ftol, xtol, gtol, maxfev, diag, mode, factor, &
                               nprint, info, nfev, njev, ipvt, qtf, wa1, wa2, wa3, wa4) bind(c, name="lmder_")
        procedure(jacobian_function) :: fcn !! the residuals F and their Jacobian
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(inout) :: fvec(m) !! on return the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= m
        real(wp), intent(inout) :: fjac(ldfjac, n) !! on return the last factorization: R in the upper triangle
        real(wp), intent(in) :: ftol !! tolerance on relative reductions of the sum of squares, >= 0
        real(wp), intent(in) :: xtol !! tolerance on the relative size of a step, >= 0
        real(wp), intent(in) :: gtol !! tolerance on the cosine between f and a column of J, >= 0
        integer(ip), intent(in) :: maxfev !! evaluations of the residuals after which to stop, > 0
        real(wp), intent(inout) :: diag(n) !! scale factors: the user's, > 0, with mode 2; else set here
        integer(ip), intent(in) :: mode !! 1: scale by the columns of J; 2: by diag as it comes
        real(wp), intent(in) :: factor !! first step bound relative to ‖D x‖, > 0
        integer(ip), intent(in) :: nprint !! > 0: call fcn with iflag 0 every so many iterations, and at the end
        integer(ip), intent(out) :: info !! why the fit ended: see codes.def
        integer(ip), intent(out) :: nfev !! evaluations of the residuals
        integer(ip), intent(out) :: njev !! evaluations of the Jacobian
        integer(ip), intent(inout) :: ipvt(n) !! on return the permutation: J P = Q R
        real(wp), intent(inout) :: qtf(n) !! on return the first n entries of Qᵀf
        real(wp), intent(inout) :: wa1(n), wa2(n), wa3(n), wa4(m) !! scratch

        type(jacobian_source) :: source

        source%fcn => fcn
        call lm_solve(source, m, n, x, fvec, ftol, xtol, gtol, maxfev, diag, mode, factor, nprint, info, nfev, njev, fjac, &
                      ldfjac, m, ipvt, qtf, wa1, wa2, wa3, wa4)
    end subroutine lmder

    recursive subroutine residuals(self, m, n, x, f, fjac, ldfjac, row, iflag)
        class(jacobian_source), intent(in) :: self
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(in) :: x(n)
        real(wp), intent(inout) :: f(m), fjac(ldfjac, n), row(n)
        integer(ip), intent(inout) :: iflag

        call self%fcn(m, n, x, f, fjac, ldfjac, iflag)
    end subroutine residuals

    recursive subroutine jacobian(self, m, n, x, f, fjac, ldfjac, qtf, wa1, wa2, wa3, wa4, calls, iflag)
        class(jacobian_source), intent(in) :: self
        integer(ip), intent(in) :: m, n, ldfjac
        real(wp), intent(inout) :: x(n), f(m), fjac(ldfjac, n), qtf(n), wa1(n), wa2(n), wa3(n), wa4(m)
        integer(ip), intent(out) :: calls, iflag

        iflag = to_differentiate
        call self%fcn(m, n, x, f, fjac, ldfjac, iflag)
        calls = 0
    end subroutine jacobian

    !> lmder with one tolerance, and every other choice made.
    recursive subroutine lmder1(fcn, m, n, x, fvec, fjac, ldfjac, tol, info, ipvt, wa, lwa) bind(c, name="lmder1_")
        procedure(jacobian_function) :: fcn !! the residuals F and their Jacobian
        integer(ip), intent(in) :: m, n, ldfjac !! as in lmder, like all that follows without a word
        real(wp), intent(inout) :: x(n), fvec(m), fjac(ldfjac, n)
        real(wp), intent(in) :: tol !! tolerance on reductions and steps, >= 0
        integer(ip), intent(out) :: info
        integer(ip), intent(inout) :: ipvt(n)
        integer(ip), intent(in) :: lwa !! length of wa, >= 5 n + m
        real(wp), intent(inout) :: wa(lwa) !! scratch

        integer(ip) :: maxfev, nfev, njev

        info = info_improper_input
        if (n <= 0 .or. m < n .or. ldfjac < m .or. tol < 0) return
        if (lwa < 5_c_size_t*n + m) return ! 64 bits, which it can't exceed
        maxfev = 100*(n + 1)
        call lmder(fcn, m, n, x, fvec, fjac, ldfjac, tol, tol, 0.0_wp, maxfev, wa(1), mode_internal_scaling, 100.0_wp, &
                   0_ip, info, nfev, njev, ipvt, wa(n + 1), wa(2*n + 1), wa(3*n + 1), wa(4*n + 1), wa(5*n + 1))
        if (info == info_gtol_too_small) info = info_gtol
    end subroutine lmder1

end module minpack_lmder
