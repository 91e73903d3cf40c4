!> The fit that lmdif makes, by either of two factorizations.
module minpack_lm_differences
    use minpack_callbacks, only: residual_function
    use minpack_constants, only: machine_precision
    use minpack_enorm, only: enorm
    use minpack_fdjac2, only: fdjac2
    use minpack_info, only: info_improper_input, info_running
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: lm_factor, lm_factor_blocks
    use minpack_lm_judge, only: lm_judge
    use minpack_lm_propose, only: lm_propose
    use minpack_lm_start, only: lm_start
    use minpack_lm_types, only: lm_begin, lm_control, lm_is_proper, lm_state
    use minpack_unfelt, only: felt, find_unfelt, single_precision, try_longer, were_misleading
    implicit none
    private
    public :: lm_differences

contains

    !> lmdif, with a choice of the factorization: column by column, as MINPACK has it, or by blocks of rows.
    recursive subroutine lm_differences(fcn, m, n, x, fvec, ftol, xtol, gtol, maxfev, epsfcn, diag, mode, factor, &
                                        nprint, info, nfev, fjac, ldfjac, ipvt, qtf, wa1, wa2, wa3, wa4, by_blocks, &
                                        work) bind(c, name="lm_differences_")
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
        integer(ip), intent(out) :: nfev !! evaluations of the residuals, those for differences included
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= m
        real(wp), intent(out) :: fjac(ldfjac, n) !! last factorization: R in the upper triangle
        integer(ip), intent(out) :: ipvt(n) !! its permutation: J P = Q R
        real(wp), intent(out) :: qtf(n) !! the first n entries of its Qᵀf
        real(wp), intent(out) :: wa1(n), wa2(n), wa3(n), wa4(m) !! scratch
        integer(ip), intent(in) :: by_blocks !! not 0: factor by lm_factor_blocks
        real(wp), intent(inout) :: work(*) !! scratch for that: blocks_work(n) numbers

        type(lm_control) :: control
        type(lm_state) :: state
        real(wp) :: precision
        logical :: tried
        integer(ip) :: beside, iflag

        control = lm_control(ftol, xtol, gtol, factor, maxfev, mode)
        nfev = 0
        info = info_improper_input
        if (.not. lm_is_proper(m, n, ldfjac, m, control, diag)) return

        fit: block
            iflag = 1
            call fcn(m, n, x, fvec, iflag)
            nfev = 1
            if (iflag < 0) exit fit
            state = lm_begin(enorm(m, fvec))
            precision = epsfcn
            tried = epsfcn > machine_precision .or. state%fnorm == 0

            do while (state%info == info_running)
                call differences(fcn, m, n, x, fvec, fjac, ldfjac, iflag, precision, tried, beside, ipvt, wa2, wa4)
                nfev = nfev + beside
                if (iflag < 0) exit fit
                if (nprint > 0) then
                    iflag = 0
                    if (mod(state%iteration - 1, nprint) == 0) call fcn(m, n, x, fvec, iflag)
                    if (iflag < 0) exit fit
                end if

                if (by_blocks /= 0) then
                    call lm_factor_blocks(m, n, fjac, ldfjac, ipvt, fvec, qtf, wa2, wa1, work)
                else
                    wa4 = fvec
                    call lm_factor(m, n, fjac, ldfjac, ipvt, wa4, qtf, wa2, wa1, wa3)
                end if
                call lm_start(control, n, fjac, ldfjac, ipvt, qtf, wa2, x, diag, state, wa3)

                do while (state%info == info_running)
                    call lm_propose(n, fjac, ldfjac, ipvt, qtf, diag, x, state, wa2, wa1, wa3, wa4)
                    iflag = 1
                    call fcn(m, n, wa2, wa4, iflag)
                    nfev = nfev + 1
                    if (iflag < 0) exit fit
                    call lm_judge(control, n, diag, wa2, enorm(m, wa4), nfev, x, state, wa3)
                    if (precision <= machine_precision .and. were_misleading(state)) then
                        precision = single_precision
                        tried = .true.
                        state = lm_begin(state%fnorm)
                        exit
                    end if
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
        if (nprint > 0) call fcn(m, n, x, fvec, iflag)
    end subroutine lm_differences

    !> The Jacobian by differences, once more with longer ones where the residuals prove coarse (unfelt.f90).
    recursive subroutine differences(fcn, m, n, x, fvec, fjac, ldfjac, iflag, precision, tried, calls, verdict, &
                                     beside, wa)
        procedure(residual_function) :: fcn
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(inout) :: x(n) !! where; on return as it was
        real(wp), intent(in) :: fvec(m) !! the residuals there
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(out) :: fjac(ldfjac, n) !! the Jacobian
        integer(ip), intent(out) :: iflag !! < 0 on return where fcn asked to stop
        real(wp), intent(inout) :: precision !! relative error of the residuals, raised where it proves larger
        logical, intent(inout) :: tried !! whether `precision` is the caller's word, or has been found out
        integer(ip), intent(out) :: calls !! evaluations of the residuals
        integer(ip), intent(out) :: verdict(n) !! scratch
        real(wp), intent(out) :: beside(n), wa(m) !! scratch

        logical :: contradicts

        iflag = 2
        call fdjac2(fcn, m, n, x, fvec, fjac, ldfjac, iflag, precision, wa)
        calls = n
        if (iflag < 0 .or. tried) return
        call find_unfelt(m, n, x, fvec, fjac, ldfjac, verdict)
        if (all(verdict == felt)) return

        tried = .true.
        call try_longer(fcn, m, n, x, fvec, fjac, ldfjac, verdict, contradicts, iflag, beside, wa)
        calls = calls + 1
        if (iflag < 0 .or. .not. contradicts) return
        precision = single_precision
        call fdjac2(fcn, m, n, x, fvec, fjac, ldfjac, iflag, precision, wa)
        calls = calls + n
    end subroutine differences

end module minpack_lm_differences
