!> Nonlinear least squares, the Jacobian from the user.
module minpack_lmder
    use minpack_callbacks, only: jacobian_function
    use minpack_constants, only: mode_internal_scaling
    use minpack_enorm, only: enorm
    use minpack_info, only: info_gtol, info_gtol_too_small, info_improper_input, info_running
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: lm_factor
    use minpack_lm_judge, only: lm_judge
    use minpack_lm_propose, only: lm_propose
    use minpack_lm_start, only: lm_start
    use minpack_lm_types, only: lm_begin, lm_control, lm_is_proper, lm_state
    implicit none
    private
    public :: lmder, lmder1

contains

    !> Minimizes ‖F(x)‖² by the Levenberg-Marquardt method of Moré (1978).
    recursive subroutine lmder(fcn, m, n, x, fvec, fjac, ldfjac, ftol, xtol, gtol, maxfev, diag, mode, factor, &
                               nprint, info, nfev, njev, ipvt, qtf, wa1, wa2, wa3, wa4) bind(c, name="lmder_")
        procedure(jacobian_function) :: fcn !! the residuals F and their Jacobian
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(out) :: fvec(m) !! the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= m
        real(wp), intent(out) :: fjac(ldfjac, n) !! last factorization: R in the upper triangle
        real(wp), intent(in) :: ftol !! tolerance on relative reductions of the sum of squares, >= 0
        real(wp), intent(in) :: xtol !! tolerance on the relative size of a step, >= 0
        real(wp), intent(in) :: gtol !! tolerance on the cosine between f and a column of J, >= 0
        integer(ip), intent(in) :: maxfev !! evaluations of the residuals after which to stop, > 0
        real(wp), intent(inout) :: diag(n) !! scale factors: the user's, > 0, with mode 2; else set here
        integer(ip), intent(in) :: mode !! 1: scale by the columns of J; 2: by diag as it comes
        real(wp), intent(in) :: factor !! first step bound relative to ‖D x‖, > 0
        integer(ip), intent(in) :: nprint !! > 0: call fcn with iflag 0 every so many iterations, and at the end
        integer(ip), intent(out) :: info !! why the fit ended: see minpack_info
        integer(ip), intent(out) :: nfev !! evaluations of the residuals
        integer(ip), intent(out) :: njev !! evaluations of the Jacobian
        integer(ip), intent(out) :: ipvt(n) !! its permutation: J P = Q R
        real(wp), intent(out) :: qtf(n) !! the first n entries of its Qᵀf
        real(wp), intent(out) :: wa1(n), wa2(n), wa3(n), wa4(m) !! scratch

        type(lm_control) :: control
        type(lm_state) :: state
        integer(ip) :: iflag

        control = lm_control(ftol, xtol, gtol, factor, maxfev, mode)
        nfev = 0
        njev = 0
        info = info_improper_input
        if (.not. lm_is_proper(m, n, ldfjac, m, control, diag)) return

        fit: block
            iflag = 1
            call fcn(m, n, x, fvec, fjac, ldfjac, iflag)
            nfev = 1
            if (iflag < 0) exit fit
            state = lm_begin(enorm(m, fvec))

            do while (state%info == info_running)
                iflag = 2
                call fcn(m, n, x, fvec, fjac, ldfjac, iflag)
                njev = njev + 1
                if (iflag < 0) exit fit
                if (nprint > 0) then
                    iflag = 0
                    if (mod(state%iteration - 1, nprint) == 0) call fcn(m, n, x, fvec, fjac, ldfjac, iflag)
                    if (iflag < 0) exit fit
                end if

                wa4 = fvec
                call lm_factor(m, n, fjac, ldfjac, ipvt, wa4, qtf, wa2, wa1, wa3)
                call lm_start(control, n, fjac, ldfjac, ipvt, qtf, wa2, x, diag, state, wa3)

                do while (state%info == info_running)
                    call lm_propose(n, fjac, ldfjac, ipvt, qtf, diag, x, state, wa2, wa1, wa3, wa4)
                    iflag = 1
                    call fcn(m, n, wa2, wa4, fjac, ldfjac, iflag)
                    nfev = nfev + 1
                    if (iflag < 0) exit fit
                    call lm_judge(control, n, diag, wa2, enorm(m, wa4), nfev, x, state, wa3)
                    if (.not. state%accepted) cycle
                    fvec = wa4
                    exit
                end do
            end do
        end block fit

        if (iflag < 0) then
            info = iflag
        else
            info = state%info
        end if
        iflag = 0
        if (nprint > 0) call fcn(m, n, x, fvec, fjac, ldfjac, iflag)
    end subroutine lmder

    !> lmder with one tolerance, and every other choice made.
    recursive subroutine lmder1(fcn, m, n, x, fvec, fjac, ldfjac, tol, info, ipvt, wa, lwa) bind(c, name="lmder1_")
        procedure(jacobian_function) :: fcn !! the residuals F and their Jacobian
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(out) :: fvec(m) !! the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= m
        real(wp), intent(out) :: fjac(ldfjac, n) !! last factorization: R in the upper triangle
        real(wp), intent(in) :: tol !! tolerance on reductions and steps, >= 0
        integer(ip), intent(out) :: info !! why the fit ended: see minpack_info
        integer(ip), intent(out) :: ipvt(n) !! the permutation: J P = Q R
        integer(ip), intent(in) :: lwa !! length of wa, >= 5 n + m
        real(wp), intent(out) :: wa(lwa) !! scratch

        integer(ip) :: maxfev, nfev, njev

        info = info_improper_input
        if (n <= 0 .or. m < n .or. ldfjac < m .or. tol < 0 .or. lwa < 5*n + m) return
        maxfev = 100*(n + 1)
        call lmder(fcn, m, n, x, fvec, fjac, ldfjac, tol, tol, 0.0_wp, maxfev, wa(1), mode_internal_scaling, 100.0_wp, &
                   0_ip, info, nfev, njev, ipvt, wa(n + 1), wa(2*n + 1), wa(3*n + 1), wa(4*n + 1), wa(5*n + 1))
        if (info == info_gtol_too_small) info = info_gtol
    end subroutine lmder1

end module minpack_lmder
