!> Nonlinear least squares, the Jacobian as a triangle that its rows have been folded into, and never stored.
module minpack_lmtri
    use minpack_callbacks, only: triangle_function
    use minpack_enorm, only: enorm
    use minpack_info, only: info_improper_input, info_running
    use minpack_kinds, only: ip, wp
    use minpack_lm_judge, only: lm_judge
    use minpack_factor, only: lm_pivot
    use minpack_lm_propose, only: lm_propose
    use minpack_lm_start, only: lm_start
    use minpack_lm_types, only: lm_begin, lm_control, lm_is_proper, lm_state
    implicit none
    private
    public :: lmtri

contains

    !> Minimizes ‖F(x)‖² by the Levenberg-Marquardt method of Moré (1978).
    recursive subroutine lmtri(fcn, m, n, x, fvec, t, r, ftol, xtol, gtol, maxfev, diag, mode, factor, info, nfev, &
                               njev, ipvt, qtf, wa1, wa2, wa3, wa4) bind(c, name="lmtri_")
        procedure(triangle_function) :: fcn !! the residuals F and the triangle of their Jacobian
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(inout) :: fvec(m) !! the residuals there
        real(wp), intent(out) :: t(n + 1, n + 1) !! scratch: the triangle of [J f], transposed
        real(wp), intent(out) :: r(n, n) !! last factorization: R in the upper triangle
        real(wp), intent(in) :: ftol !! tolerance on relative reductions of the sum of squares, >= 0
        real(wp), intent(in) :: xtol !! tolerance on the relative size of a step, >= 0
        real(wp), intent(in) :: gtol !! tolerance on the cosine between f and a column of J, >= 0
        integer(ip), intent(in) :: maxfev !! evaluations of the residuals after which to stop, > 0
        real(wp), intent(inout) :: diag(n) !! scale factors: the user's, > 0, with mode 2; else set here
        integer(ip), intent(in) :: mode !! 1: scale by the columns of J; 2: by diag as it comes
        real(wp), intent(in) :: factor !! first step bound relative to ‖D x‖, > 0
        integer(ip), intent(out) :: info !! why the fit ended: see minpack_info
        integer(ip), intent(out) :: nfev !! evaluations of the residuals
        integer(ip), intent(out) :: njev !! evaluations of the Jacobian
        integer(ip), intent(out) :: ipvt(n) !! its permutation: J P = Q R
        real(wp), intent(out) :: qtf(n) !! the first n entries of its Qᵀf
        real(wp), intent(out) :: wa1(n), wa2(n), wa3(2*n), wa4(m) !! scratch

        type(lm_control) :: control
        type(lm_state) :: state
        integer(ip) :: iflag

        control = lm_control(ftol, xtol, gtol, factor, maxfev, mode)
        nfev = 0
        njev = 0
        info = info_improper_input
        if (.not. lm_is_proper(m, n, m, m, control, diag)) return

        fit: block
            iflag = 1
            call fcn(m, n, x, fvec, t, iflag)
            nfev = 1
            if (iflag < 0) exit fit
            state = lm_begin(enorm(m, fvec))

            do while (state%info == info_running)
                iflag = 2
                t = 0
                call fcn(m, n, x, fvec, t, iflag)
                njev = njev + 1
                if (iflag < 0) exit fit

                call lm_pivot(n, t, n + 1, r, n, ipvt, qtf, wa2, wa1, wa3)
                call lm_start(control, n, r, n, ipvt, qtf, wa2, x, diag, state, wa3)

                do while (state%info == info_running)
                    call lm_propose(n, r, n, ipvt, qtf, diag, x, state, wa2, wa1, wa3, wa4)
                    iflag = 1
                    call fcn(m, n, wa2, wa4, t, iflag)
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
    end subroutine lmtri

end module minpack_lmtri
