!> Nonlinear least squares, the Jacobian row by row and never stored.
module minpack_lmstr
    use minpack_callbacks, only: row_function
    use minpack_constants, only: mode_internal_scaling
    use minpack_enorm, only: enorm
    use minpack_info, only: info_gtol, info_gtol_too_small, info_improper_input, info_running
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: lm_factor
    use minpack_lm_judge, only: lm_judge
    use minpack_lm_propose, only: lm_propose
    use minpack_lm_start, only: lm_start
    use minpack_lm_types, only: lm_begin, lm_control, lm_is_proper, lm_state
    use minpack_rwupdt, only: rwupdt
    implicit none
    private
    public :: lmstr, lmstr1

contains

    !> Minimizes ‖F(x)‖² by the Levenberg-Marquardt method of Moré (1978), in memory for n² + m numbers.
    recursive subroutine lmstr(fcn, m, n, x, fvec, fjac, ldfjac, ftol, xtol, gtol, maxfev, diag, mode, factor, &
                               nprint, info, nfev, njev, ipvt, qtf, wa1, wa2, wa3, wa4) bind(c, name="lmstr_")
        procedure(row_function) :: fcn !! the residuals F and the rows of their Jacobian
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(out) :: fvec(m) !! the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= n
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
        if (.not. lm_is_proper(m, n, ldfjac, n, control, diag)) return

        fit: block
            iflag = 1
            call fcn(m, n, x, fvec, wa3, iflag)
            nfev = 1
            if (iflag < 0) exit fit
            state = lm_begin(enorm(m, fvec))

            do while (state%info == info_running)
                call fold_rows(fcn, m, n, x, fvec, fjac, ldfjac, qtf, iflag, wa1, wa2, wa3)
                njev = njev + 1
                if (iflag < 0) exit fit
                if (nprint > 0) then
                    iflag = 0
                    if (mod(state%iteration - 1, nprint) == 0) call fcn(m, n, x, fvec, wa3, iflag)
                    if (iflag < 0) exit fit
                end if

                call pivot_if_singular(n, fjac, ldfjac, ipvt, qtf, wa2, wa1, wa3, wa4)
                call lm_start(control, n, fjac, ldfjac, ipvt, qtf, wa2, x, diag, state, wa3)

                do while (state%info == info_running)
                    call lm_propose(n, fjac, ldfjac, ipvt, qtf, diag, x, state, wa2, wa1, wa3, wa4)
                    iflag = 1
                    call fcn(m, n, wa2, wa4, wa3, iflag)
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
        if (nprint > 0) call fcn(m, n, x, fvec, wa3, iflag)
    end subroutine lmstr

    !> R and Qᵀf of the Jacobian at x, one row after the other.
    recursive subroutine fold_rows(fcn, m, n, x, fvec, r, ldr, qtf, iflag, cosines, sines, row)
        procedure(row_function) :: fcn
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: x(n) !! where
        real(wp), intent(inout) :: fvec(m) !! the residuals there
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(out) :: r(ldr, n) !! R, and zeros below it
        real(wp), intent(out) :: qtf(n) !! first n entries of Qᵀf
        integer(ip), intent(out) :: iflag !! < 0 on return where fcn asked to stop
        real(wp), intent(out) :: cosines(n), sines(n), row(n) !! scratch

        real(wp) :: side
        integer(ip) :: i, j

        do j = 1, n
            r(1:n, j) = 0
            qtf(j) = 0
        end do
        do i = 1, m
            iflag = i + 1
            call fcn(m, n, x, fvec, row, iflag)
            if (iflag < 0) return
            side = fvec(i)
            call rwupdt(n, r, ldr, row, qtf, side, cosines, sines)
        end do
    end subroutine fold_rows

    !> Leaves a nonsingular triangle as it is; factors a singular one once more, with pivoting.
    pure subroutine pivot_if_singular(n, r, ldr, ipvt, qtf, acnorm, rdiag, wa1, wa2)
        integer(ip), intent(in) :: n !! order
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R, zeros below it
        integer(ip), intent(out) :: ipvt(n) !! P
        real(wp), intent(inout) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n), wa1(n), wa2(n) !! scratch

        logical :: singular
        integer(ip) :: j

        singular = .false.
        do j = 1, n
            if (r(j, j) == 0) singular = .true.
            ipvt(j) = j
            acnorm(j) = enorm(j, r(1, j))
        end do
        if (.not. singular) return
        wa2 = qtf
        call lm_factor(n, n, r, ldr, ipvt, wa2, qtf, acnorm, rdiag, wa1)
    end subroutine pivot_if_singular

    !> lmstr with one tolerance, and every other choice made.
    recursive subroutine lmstr1(fcn, m, n, x, fvec, fjac, ldfjac, tol, info, ipvt, wa, lwa) bind(c, name="lmstr1_")
        procedure(row_function) :: fcn !! the residuals F and the rows of their Jacobian
        integer(ip), intent(in) :: m !! residuals, >= n
        integer(ip), intent(in) :: n !! parameters, > 0
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(out) :: fvec(m) !! the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= n
        real(wp), intent(out) :: fjac(ldfjac, n) !! last factorization: R in the upper triangle
        real(wp), intent(in) :: tol !! tolerance on reductions and steps, >= 0
        integer(ip), intent(out) :: info !! why the fit ended: see minpack_info
        integer(ip), intent(out) :: ipvt(n) !! the permutation: J P = Q R
        integer(ip), intent(in) :: lwa !! length of wa, >= 5 n + m
        real(wp), intent(out) :: wa(lwa) !! scratch

        integer(ip) :: maxfev, nfev, njev

        info = info_improper_input
        if (n <= 0 .or. m < n .or. ldfjac < n .or. tol < 0 .or. lwa < 5*n + m) return
        maxfev = 100*(n + 1)
        call lmstr(fcn, m, n, x, fvec, fjac, ldfjac, tol, tol, 0.0_wp, maxfev, wa(1), mode_internal_scaling, 100.0_wp, &
                   0_ip, info, nfev, njev, ipvt, wa(n + 1), wa(2*n + 1), wa(3*n + 1), wa(4*n + 1), wa(5*n + 1))
        if (info == info_gtol_too_small) info = info_gtol
    end subroutine lmstr1

end module minpack_lmstr
