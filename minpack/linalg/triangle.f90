!> Products with the triangle R of a factorization J P = Q R, and the lengths of its columns.
!>
!> Each sum runs in the order of the rows, as MINPACK's do, so that what is computed here has MINPACK's bits.
module minpack_triangle
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: add_product, gradient, transposed_product, triangle_norms

contains

    !> y <- y + R Pᵀ p. For y = 0 this is J p in the basis of Q.
    pure subroutine add_product(n, r, ldr, ipvt, p, y)
        integer(ip), intent(in) :: n !! order
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P: column j of J P is column ipvt(j) of J
        real(wp), intent(in) :: p(n)
        real(wp), intent(inout) :: y(n)

        integer(ip) :: i, j

        do j = 1, n
            do i = 1, j
                y(i) = y(i) + r(i, j)*p(ipvt(j))
            end do
        end do
    end subroutine add_product

    !> y = Rᵀ v, in the order of R's columns.
    pure subroutine transposed_product(n, r, ldr, v, y)
        integer(ip), intent(in) :: n !! order
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        real(wp), intent(in) :: v(n)
        real(wp), intent(out) :: y(n)

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
        integer(ip), intent(in) :: n !! order
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: g(n)

        integer(ip) :: j

        do j = 1, n
            g(ipvt(j)) = dot_product(r(1:j, j), qtf(1:j))
        end do
    end subroutine gradient

    !> The lengths of R's columns, which are those of J's, in the order of R's columns.
    pure subroutine triangle_norms(n, r, ldr, norms)
        integer(ip), intent(in) :: n !! order
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        real(wp), intent(out) :: norms(n)

        integer(ip) :: j

        do j = 1, n
            norms(j) = enorm(j, r(1, j))
        end do
    end subroutine triangle_norms

end module minpack_triangle
