!> Robust losses: the cost of residuals, and the linear least squares problem that stands for it.
!>
!> The cost is scale²/2 Σ ρ(z), z = (f/scale)². Its gradient is Jᵀ ρ'f, and its second derivatives are about
!> Jᵀ diag(ρ' + 2 z ρ'') J: those of a least squares problem with residuals and rows of J scaled (Triggs et al., 2000).
module minpack_robust
    use minpack_constants, only: largest
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: factors_at, look_up, loss_factors, robust_norm, robust_residuals, robust_rows

    !> Losses by their numbers, as src/pyminpack/_model/losses.py has them.
    integer(ip), parameter :: soft_l1 = 1_ip, huber = 2_ip, cauchy = 3_ip
    !> A residual keeps the second-order term of its loss where more than this part of the first-order curvature ρ' remains;
    !> elsewhere it gets ρ' alone. Ten times less changes the number of evaluations by less than 1 %. Ten times more leaves the
    !> term out for every concave loss, and takes 3 % more.
    real(wp), parameter :: least_part = 0.1_wp

    interface
        !> C's, which is right where z is small; Fortran has none.
        pure function log1p(z) result(value) bind(c, name="log1p")
            import :: wp
            real(wp), intent(in), value :: z
            real(wp) :: value
        end function log1p
    end interface

contains

    !> The root of twice the cost, which takes the place of ‖f‖; not finite where f is not, or its squares overflow.
    pure subroutine robust_norm(m, f, loss, scale, norm) bind(c, name="robust_norm_")
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: f(m) !! these
        integer(ip), intent(in) :: loss !! its number
        real(wp), intent(in) :: scale !! of the residuals
        real(wp), intent(out) :: norm

        real(wp) :: z, rho, first, second
        integer(ip) :: i

        norm = 0
        do i = 1, m
            z = (f(i)/scale)**2
            if (.not. z <= largest) then
                norm = z
                return
            end if
            call look_up(loss, z, rho, first, second)
            norm = norm + rho
        end do
        norm = scale*sqrt(norm)
    end subroutine robust_norm

    !> The residuals of the least squares problem that stands for the robust one at f.
    pure subroutine robust_residuals(m, f, loss, scale, g) bind(c, name="robust_residuals_")
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: f(m) !! these
        integer(ip), intent(in) :: loss !! its number
        real(wp), intent(in) :: scale !! of the residuals
        real(wp), intent(out) :: g(m)

        real(wp) :: weight, row
        integer(ip) :: i

        do i = 1, m
            call factors_at((f(i)/scale)**2, loss, weight, row)
            g(i) = f(i)*weight
        end do
    end subroutine robust_residuals

    !> Multiplies a column of J at f, or a change of residuals from f, by what rows have there.
    pure subroutine robust_rows(m, f, loss, scale, column) bind(c, name="robust_rows_")
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: f(m) !! these
        integer(ip), intent(in) :: loss !! its number
        real(wp), intent(in) :: scale !! of the residuals
        real(wp), intent(inout) :: column(m)

        real(wp) :: weight, row
        integer(ip) :: i

        do i = 1, m
            call factors_at((f(i)/scale)**2, loss, weight, row)
            column(i) = column(i)*row
        end do
    end subroutine robust_rows

    !> What residuals and rows of J are multiplied by, from the derivatives of any loss.
    pure subroutine loss_factors(m, z, first, second, weights, rows) bind(c, name="loss_factors_")
        integer(ip), intent(in) :: m !! residuals
        real(wp), intent(in) :: z(m) !! their squares
        real(wp), intent(in) :: first(m), second(m) !! ρ' and ρ''
        real(wp), intent(out) :: weights(m), rows(m) !! factors of residuals, and of rows

        integer(ip) :: i

        do i = 1, m
            call factors_of(z(i), first(i), second(i), weights(i), rows(i))
        end do
    end subroutine loss_factors

    !> The same for one residual, and a loss that is known here.
    pure subroutine factors_at(z, loss, weight, row)
        real(wp), intent(in) :: z
        integer(ip), intent(in) :: loss
        real(wp), intent(out) :: weight, row

        real(wp) :: rho, first, second

        call look_up(loss, z, rho, first, second)
        call factors_of(z, first, second, weight, row)
    end subroutine factors_at

    !> The same from its derivatives.
    pure subroutine factors_of(z, first, second, weight, row)
        real(wp), intent(in) :: z, first, second
        real(wp), intent(out) :: weight, row

        real(wp) :: curvature, plain

        plain = abs(first) ! a loss may decrease somewhere
        curvature = first + 2*z*second
        row = sqrt(merge(curvature, plain, curvature > least_part*plain .and. curvature <= largest))
        weight = 0
        if (row > 0) weight = first/row
    end subroutine factors_of

    !> ρ, ρ' and ρ'' at a square.
    pure subroutine look_up(loss, z, rho, first, second)
        integer(ip), intent(in) :: loss !! its number
        real(wp), intent(in) :: z
        real(wp), intent(out) :: rho, first, second

        real(wp) :: root, square

        select case (loss)
        case (soft_l1)
            root = sqrt(1 + z)
            rho = 2*(z/(1 + root))
            first = 1/root
            second = -0.5_wp/root**3
        case (huber)
            root = sqrt(max(z, 1.0_wp))
            rho = merge(z, 2*root - 1, z <= 1)
            first = 1/root
            second = merge(0.0_wp, -0.5_wp/root**3, z <= 1)
        case (cauchy)
            rho = log1p(z)
            first = 1/(1 + z)
            second = -1/(1 + z)**2
        case default ! arctan
            square = 1 + z**2
            rho = atan(z)
            first = 1/square
            second = -2*(z/square)/square
        end select
    end subroutine look_up

end module minpack_robust
