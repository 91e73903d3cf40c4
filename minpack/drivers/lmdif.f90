!> Nonlinear least squares, the Jacobian by forward differences.
module minpack_lmdif
    use minpack_callbacks, only: residual_function
    use minpack_constants, only: mode_internal_scaling
    use minpack_info, only: info_gtol, info_gtol_too_small, info_improper_input
    use minpack_kinds, only: ip, wp
    use minpack_lm_differences, only: lm_differences
    implicit none
    private
    public :: lmdif, lmdif1

contains

    !> Minimizes ‖F(x)‖² by the Levenberg-Marquardt method of Moré (1978).
    recursive subroutine lmdif(fcn, m, n, x, fvec, ftol, xtol, gtol, maxfev, epsfcn, diag, mode, factor, nprint, &
                               info, nfev, fjac, ldfjac, ipvt, qtf, wa1, wa2, wa3, wa4) bind(c, name="lmdif_")
        procedure(residual_function) :: fcn !! the residuals F
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(out) :: fvec(m) !! the residuals there
        real(wp), intent(in) :: ftol !! tolerance on relative reductions of the sum of squares, >= 0
        real(wp), intent(in) :: xtol !! tolerance on the relative size of a step, >= 0
        real(wp), intent(in) :: gtol !! tolerance on the cosine between f and a column of J, >= 0
        integer(ip), intent(in) :: maxfev !! evaluations of the residuals after which to stop, > 0
        real(wp), intent(in) :: epsfcn !! relative error of the residuals; up to ε it counts as ε, or as that
                                       !! of single precision where they don't respond to so short a step
        real(wp), intent(inout) :: diag(n) !! scale factors: the user's, > 0, with mode 2; else set here
        integer(ip), intent(in) :: mode !! 1: scale by the columns of J; 2: by diag as it comes
        real(wp), intent(in) :: factor !! first step bound relative to ‖D x‖, > 0
        integer(ip), intent(in) :: nprint !! > 0: call fcn with iflag 0 every so many iterations, and at the end
        integer(ip), intent(out) :: info !! why the fit ended: see minpack_info
        integer(ip), intent(out) :: nfev !! evaluations of the residuals
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= m
        real(wp), intent(out) :: fjac(ldfjac, n) !! last factorization: R in the upper triangle
        integer(ip), intent(out) :: ipvt(n) !! its permutation: J P = Q R
        real(wp), intent(out) :: qtf(n) !! the first n entries of its Qᵀf
        real(wp), intent(out) :: wa1(n), wa2(n), wa3(n), wa4(m) !! scratch

        integer(ip), parameter :: by_columns = 0_ip
        real(wp) :: nothing(1)

        nothing = 0
        call lm_differences(fcn, m, n, x, fvec, ftol, xtol, gtol, maxfev, epsfcn, diag, mode, factor, nprint, &
                            info, nfev, fjac, ldfjac, ipvt, qtf, wa1, wa2, wa3, wa4, by_columns, nothing)
    end subroutine lmdif

    !> lmdif with one tolerance, and every other choice made.
    recursive subroutine lmdif1(fcn, m, n, x, fvec, tol, info, iwa, wa, lwa) bind(c, name="lmdif1_")
        procedure(residual_function) :: fcn !! the residuals F
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(out) :: fvec(m) !! the residuals there
        real(wp), intent(in) :: tol !! tolerance on reductions and steps, >= 0
        integer(ip), intent(out) :: info !! why the fit ended: see minpack_info
        integer(ip), intent(out) :: iwa(n) !! scratch
        integer(ip), intent(in) :: lwa !! length of wa, >= m n + 5 n + m
        real(wp), intent(out) :: wa(lwa) !! scratch

        integer(ip) :: maxfev, nfev

        info = info_improper_input
        if (n <= 0 .or. m < n .or. tol < 0 .or. lwa < m*n + 5*n + m) return
        maxfev = 200*(n + 1)
        call lmdif(fcn, m, n, x, fvec, tol, tol, 0.0_wp, maxfev, 0.0_wp, wa(1), mode_internal_scaling, 100.0_wp, 0_ip, &
                   info, nfev, wa(5*n + m + 1), m, iwa, wa(n + 1), wa(2*n + 1), wa(3*n + 1), wa(4*n + 1), wa(5*n + 1))
        if (info == info_gtol_too_small) info = info_gtol
    end subroutine lmdif1

end module minpack_lmdif
