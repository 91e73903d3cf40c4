!> The loop behind lmdif, lmder and lmstr.
module minpack_lm_solve
    use minpack_decide, only: lm_take_norm
    use minpack_enorm, only: enorm
    use minpack_fit_types, only: is_proper, lm_begin, lm_fit
    use minpack_info, only: info_improper_input, took_step, want_factor, want_norm
    use minpack_kinds, only: ip, wp
    use minpack_factor, only: lm_factor
    use minpack_next, only: lm_next
    use minpack_take_factor, only: lm_take_factor
    implicit none
    private
    public :: driver_fit, lm_solve

    ! What `iflag` asks of a driver's routine.
    integer(ip), parameter, public :: to_look = 0_ip, to_evaluate = 1_ip, to_differentiate = 2_ip

    !> What differs between the drivers: how the user's routine is called, and what becomes of the Jacobian. In each of its
    !> procedures a negative iflag on return means that the user's routine has asked to stop.
    type, abstract, public :: lm_source
    contains
        procedure(evaluating), deferred :: residuals !! the user's routine, for residuals, or for it to look at the iterate
        procedure(differentiating), deferred :: jacobian !! J at x, and how many calls for residuals that took
        procedure :: factor => factor_jacobian !! R, P, Qᵀf and the norms of J's columns
    end type lm_source

    abstract interface
        recursive subroutine evaluating(self, m, n, x, f, fjac, ldfjac, row, iflag)
            import :: ip, lm_source, wp
            implicit none
            class(lm_source), intent(in) :: self
            integer(ip), intent(in) :: m, n !! residuals and parameters
            real(wp), intent(in) :: x(n) !! where
            real(wp), intent(inout) :: f(m) !! the residuals there
            integer(ip), intent(in) :: ldfjac !! leading dimension of fjac
            real(wp), intent(inout) :: fjac(ldfjac, n) !! what is passed to the user's routine for J
            real(wp), intent(inout) :: row(n) !! or for a row of J
            integer(ip), intent(inout) :: iflag !! to_evaluate or to_look
        end subroutine evaluating

        recursive subroutine differentiating(self, m, n, x, f, fjac, ldfjac, qtf, wa1, wa2, wa3, wa4, calls, iflag)
            import :: ip, lm_source, wp
            implicit none
            class(lm_source), intent(in) :: self
            integer(ip), intent(in) :: m, n !! residuals and parameters
            real(wp), intent(inout) :: x(n) !! where; on return as it was
            real(wp), intent(inout) :: f(m) !! the residuals there
            integer(ip), intent(in) :: ldfjac !! leading dimension of fjac
            real(wp), intent(inout) :: fjac(ldfjac, n) !! on return J, or R without pivoting
            real(wp), intent(inout) :: qtf(n) !! with R, the first n entries of Qᵀf
            real(wp), intent(inout) :: wa1(n), wa2(n), wa3(n), wa4(m) !! scratch
            integer(ip), intent(out) :: calls !! evaluations of the residuals
            integer(ip), intent(out) :: iflag
        end subroutine differentiating
    end interface

contains

    !> A fit from beginning to end, by a source of residuals and Jacobians, in MINPACK's workspace. The other arguments are
    !> those of the drivers.
    recursive subroutine lm_solve(source, m, n, x, fvec, ftol, xtol, gtol, maxfev, diag, mode, factor, nprint, info, nfev, &
                                  njev, fjac, ldfjac, least_ldfjac, ipvt, qtf, wa1, wa2, wa3, wa4)
        class(lm_source), intent(in) :: source
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: ftol, xtol, gtol, factor !! tolerances, and the relative first step bound
        integer(ip), intent(in) :: maxfev, mode !! evaluations after which to stop, and the kind of scaling
        real(wp), intent(inout) :: x(n) !! the start; on return the best point met
        real(wp), intent(inout) :: fvec(m) !! on return the residuals there
        real(wp), intent(inout) :: diag(n) !! scale factors
        integer(ip), intent(in) :: nprint !! > 0: let the user's routine look every so many iterations, and at the end
        integer(ip), intent(out) :: info, nfev, njev !! why the fit ended; evaluations of residuals and Jacobians
        integer(ip), intent(in) :: ldfjac, least_ldfjac !! leading dimension of fjac, and the least that the source can do with
        real(wp), intent(inout) :: fjac(ldfjac, n) !! on return R in the upper triangle
        integer(ip), intent(inout) :: ipvt(n) !! on return P
        real(wp), intent(inout) :: qtf(n) !! on return the first n entries of Qᵀf
        real(wp), intent(inout) :: wa1(n), wa2(n), wa3(n), wa4(m) !! scratch

        type(lm_fit) :: fit
        integer(ip) :: calls, iflag, no_place(1), no_side(1), wanted
        real(wp) :: no_box(1)

        fit = driver_fit(m, n, ftol, xtol, gtol, maxfev, mode, factor)
        nfev = 0
        njev = 0
        info = info_improper_input
        if (.not. is_proper(fit, ldfjac, least_ldfjac, diag)) return

        iflag = to_evaluate
        run: block
            call source%residuals(m, n, x, fvec, fjac, ldfjac, wa3, iflag)
            if (iflag < 0) exit run
            call lm_begin(fit, enorm(m, fvec))
            do
                ! Without bounds and restarts nothing is read of qtf in the places of acnorm and bounds.
                call lm_next(fit, n, fjac, ldfjac, ipvt, qtf, qtf, diag, x, qtf, qtf, wanted, wa2, wa1, wa3, wa4, no_side, &
                             no_place, no_box, no_box)
                select case (wanted)
                case (want_factor)
                    call source%jacobian(m, n, x, fvec, fjac, ldfjac, qtf, wa1, wa2, wa3, wa4, calls, iflag)
                    fit%nfev = fit%nfev + calls
                    fit%njev = fit%njev + 1
                    fit%jacobian_is_at_x = 1
                    if (iflag < 0) exit run
                    if (nprint > 0) then
                        iflag = to_look
                        if (mod(fit%iteration - 1, nprint) == 0) then
                            call source%residuals(m, n, x, fvec, fjac, ldfjac, wa3, iflag)
                        end if
                        if (iflag < 0) exit run
                    end if
                    call source%factor(m, n, fvec, fjac, ldfjac, ipvt, qtf, wa2, wa1, wa3, wa4)
                    call lm_take_factor(fit, n, fjac, ldfjac, ipvt, qtf, wa2, x, qtf, qtf, diag, wa1, wa3)
                case (want_norm)
                    iflag = to_evaluate
                    call source%residuals(m, n, wa2, wa4, fjac, ldfjac, wa3, iflag)
                    if (iflag < 0) fit%nfev = fit%nfev + 1
                    if (iflag < 0) exit run
                    call lm_take_norm(fit, n, diag, wa2, enorm(m, wa4), x, wa3)
                case (took_step)
                    fvec = wa4
                case default
                    exit run
                end select
            end do
        end block run

        info = fit%info
        if (iflag < 0) info = iflag
        nfev = fit%nfev
        njev = fit%njev
        iflag = to_look
        if (nprint > 0) call source%residuals(m, n, x, fvec, fjac, ldfjac, wa3, iflag)
    end subroutine lm_solve

    !> The factorization of J, column by column.
    pure subroutine factor_jacobian(self, m, n, f, fjac, ldfjac, ipvt, qtf, acnorm, wa1, wa3, wa4)
        class(lm_source), intent(in) :: self
        integer(ip), intent(in) :: m, n !! residuals and parameters
        real(wp), intent(in) :: f(m) !! the residuals
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac
        real(wp), intent(inout) :: fjac(ldfjac, n) !! what `jacobian` left; on return R in the upper triangle
        integer(ip), intent(inout) :: ipvt(n) !! on return P
        real(wp), intent(inout) :: qtf(n) !! on return the first n entries of Qᵀf
        real(wp), intent(inout) :: acnorm(n) !! on return the norms of J's columns
        real(wp), intent(inout) :: wa1(n), wa3(n), wa4(m) !! scratch

        wa4 = f
        call lm_factor(m, n, fjac, ldfjac, ipvt, wa4, qtf, acnorm, wa1, wa3)
    end subroutine factor_jacobian

    !> The record of a fit with a driver's arguments: no bounds, no restarts.
    pure function driver_fit(m, n, ftol, xtol, gtol, maxfev, mode, factor) result(fit)
        integer(ip), intent(in) :: m, n, maxfev, mode
        real(wp), intent(in) :: ftol, xtol, gtol, factor
        type(lm_fit) :: fit

        fit = lm_fit(m=m, n=n, ftol=ftol, xtol=xtol, gtol=gtol, maxfev=maxfev, mode=mode, factor=factor, nfev=1_ip, &
                     precision_known=1_ip)
    end function driver_fit

end module minpack_lm_solve
