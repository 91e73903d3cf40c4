!> The triangle R of a factorization J P = Q R: products with it, its gradient, the lengths of its columns, and
!> systems of equations with it and with its transpose.
!>
!> Each sum runs in the order of the rows, as MINPACK's do, so that what is computed here has MINPACK's bits.
!> In all of these routines R is the upper triangle of `r`, and the rest of `r` is not read, unless it says so.
module minpack_triangle
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: add_product, gradient, solve, solve_transposed, solve_transposed_damped, transposed_product, triangle_norms

contains

    !> y <- y + R Pᵀ p. For y = 0 this is Qᵀ J p, a vector as long as J p.
    pure subroutine add_product(n, r, ldr, ipvt, p, y)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P: column j of J P is column ipvt(j) of J
        real(wp), intent(in) :: p(n) !! the factor, in the order of J's columns
        real(wp), intent(inout) :: y(n) !! the sum

        integer(ip) :: i, j

        do j = 1, n
            do i = 1, j
                y(i) = y(i) + r(i, j)*p(ipvt(j))
            end do
        end do
    end subroutine add_product

    !> y = Rᵀ v, in the order of R's columns.
    pure subroutine transposed_product(n, r, ldr, v, y)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R
        real(wp), intent(in) :: v(n) !! the factor
        real(wp), intent(out) :: y(n) !! the product

        real(wp) :: dot
        integer(ip) :: i, j

        do j = 1, n
            dot = 0
            do i = 1, j
                dot = dot + r(i, j)*v(i)
            end do
            y(j) = dot
        end do
    end subroutine transposed_product

    !> The gradient of half the sum of squares: Jᵀ f = P Rᵀ (Qᵀf), of which the first n entries alone matter.
    pure subroutine gradient(n, r, ldr, ipvt, qtf, g) bind(c, name="lm_gradient_")
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R
        integer(ip), intent(in) :: ipvt(n) !! P: column j of J P is column ipvt(j) of J
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: g(n) !! the gradient, in the order of J's columns

        integer(ip) :: j

        do j = 1, n
            g(ipvt(j)) = dot_product(r(1:j, j), qtf(1:j))
        end do
    end subroutine gradient

    !> The lengths of R's columns, which are those of J's, in the order of R's columns.
    pure subroutine triangle_norms(n, r, ldr, norms)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R
        real(wp), intent(out) :: norms(n) !! norms(j) = ‖R e_j‖

        integer(ip) :: j

        do j = 1, n
            norms(j) = enorm(j, r(1, j))
        end do
    end subroutine triangle_norms

    !> y <- R⁻¹ y.
    pure subroutine solve(n, r, ldr, y)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R, nonsingular
        real(wp), intent(inout) :: y(n) !! the right side; on return the solution

        integer(ip) :: j

        do j = n, 1, -1
            y(j) = y(j)/r(j, j)
            y(:j - 1) = y(:j - 1) - y(j)*r(:j - 1, j)
        end do
    end subroutine solve

    !> y <- R⁻ᵀ y.
    pure subroutine solve_transposed(n, r, ldr, y)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R, nonsingular
        real(wp), intent(inout) :: y(n) !! the right side; on return the solution

        real(wp) :: dot
        integer(ip) :: i, j

        do j = 1, n
            dot = 0
            do i = 1, j - 1
                dot = dot + r(i, j)*y(i)
            end do
            y(j) = (y(j) - dot)/r(j, j)
        end do
    end subroutine solve_transposed

    !> y <- S⁻ᵀ y, with the triangle S where qrsolv leaves it.
    pure subroutine solve_transposed_damped(n, r, ldr, sdiag, y)
        integer(ip), intent(in) :: n !! order of S
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! Sᵀ in the strict lower triangle, which alone is read
        real(wp), intent(in) :: sdiag(n) !! diagonal of S, no zero among it
        real(wp), intent(inout) :: y(n) !! the right side; on return the solution

        integer(ip) :: i, j

        do j = 1, n
            y(j) = y(j)/sdiag(j)
            do i = j + 1, n
                y(i) = y(i) - r(i, j)*y(j)
            end do
        end do
    end subroutine solve_transposed_damped

end module minpack_triangle
