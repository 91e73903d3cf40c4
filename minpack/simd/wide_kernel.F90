!> The inner loops of wide problems, where nearly all of their time goes.
!>
!> As fold_kernel.F90 this file is compiled once for each instruction set, under a module of its own (WIDE_MODULE);
!> minpack_wide has the choice. Multiplications and additions may be fused and sums be taken in parts: the last bits
!> depend on the instruction set, and on nothing else.
module WIDE_MODULE
    use minpack_constants, only: longest_row, rows_at_once
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: multiply_columns, reflect_rows, subtract_product

    !> Rows of a column that are brought up to date at once: a panel of reflectors this high stays in cache.
    integer(ip), parameter :: tile = 256_ip

contains

    !> Applies a reflection, (row; block) <- (I - weight u uᵀ)(row; block) with u = (1, v), across the columns.
    pure subroutine reflect_rows(n, weight, v, row, block)
        integer(ip), intent(in) :: n !! columns
        real(wp), intent(in) :: weight !! 2/‖u‖²
        real(wp), intent(in) :: v(rows_at_once) !! the reflector behind its first entry, which is 1
        real(wp), intent(inout) :: row(n) !! the row of the triangle
        real(wp), intent(inout) :: block(longest_row, *) !! the rows of the block, each a column here

        real(wp) :: product
        integer(ip) :: i, j

        do j = 1, n
            product = row(j)
            do i = 1, rows_at_once
                product = product + v(i)*block(j, i)
            end do
            product = weight*product
            row(j) = row(j) - product
            do i = 1, rows_at_once
                block(j, i) = block(j, i) - product*v(i)
            end do
        end do
    end subroutine reflect_rows

    !> y = Aᵀ v.
    pure subroutine multiply_columns(m, n, a, lda, v, y)
        integer(ip), intent(in) :: m, n !! rows and columns
        integer(ip), intent(in) :: lda !! leading dimension, >= m
        real(wp), intent(in) :: a(lda, *) !! A
        real(wp), intent(in) :: v(m) !! the vector
        real(wp), intent(out) :: y(n) !! the products

        real(wp) :: y1, y2, y3, y4
        integer(ip) :: i, j

        do j = 1, n - 3, 4
            y1 = 0
            y2 = 0
            y3 = 0
            y4 = 0
            !$omp simd reduction(+: y1, y2, y3, y4)
            do i = 1, m
                y1 = y1 + v(i)*a(i, j)
                y2 = y2 + v(i)*a(i, j + 1)
                y3 = y3 + v(i)*a(i, j + 2)
                y4 = y4 + v(i)*a(i, j + 3)
            end do
            y(j:j + 3) = [y1, y2, y3, y4]
        end do
        do j = n - mod(n, 4_ip) + 1, n
            y1 = 0
            !$omp simd reduction(+: y1)
            do i = 1, m
                y1 = y1 + v(i)*a(i, j)
            end do
            y(j) = y1
        end do
    end subroutine multiply_columns

    !> A <- A - V F.
    pure subroutine subtract_product(m, n, k, v, ldv, f, ldf, a, lda)
        integer(ip), intent(in) :: m, n !! rows and columns of A
        integer(ip), intent(in) :: k !! columns of V, rows of F
        integer(ip), intent(in) :: ldv, ldf, lda !! leading dimensions
        real(wp), intent(in) :: v(ldv, *), f(ldf, *) !! the factors
        real(wp), intent(inout) :: a(lda, *) !! A

        integer(ip) :: first, j, l, rows

        do first = 1, m, tile
            rows = min(tile, m - first + 1)
            do j = 1, n - 1, 2
                do l = 1, k - 3, 4
                    call subtract_four(rows, v(first, l), v(first, l + 1), v(first, l + 2), v(first, l + 3), &
                                       f(l, j), f(l, j + 1), a(first, j), a(first, j + 1))
                end do
            end do
            do j = 1, n
                l = 1
                if (j < n .or. mod(n, 2_ip) == 0) l = k - mod(k, 4_ip) + 1
                do l = l, k
                    call subtract_one(rows, v(first, l), f(l, j), a(first, j))
                end do
            end do
        end do
    end subroutine subtract_product

    !> Subtracts combinations of four vectors from two others.
    pure subroutine subtract_four(m, v1, v2, v3, v4, f, g, a, b)
        integer(ip), intent(in) :: m !! components
        real(wp), intent(in) :: v1(m), v2(m), v3(m), v4(m) !! the four
        real(wp), intent(in) :: f(4), g(4) !! coefficients
        real(wp), intent(inout) :: a(m), b(m) !! the two

        integer(ip) :: i

        !$omp simd
        do i = 1, m
            a(i) = a(i) - f(1)*v1(i) - f(2)*v2(i) - f(3)*v3(i) - f(4)*v4(i)
            b(i) = b(i) - g(1)*v1(i) - g(2)*v2(i) - g(3)*v3(i) - g(4)*v4(i)
        end do
    end subroutine subtract_four

    !> a <- a - c v.
    pure subroutine subtract_one(m, v, c, a)
        integer(ip), intent(in) :: m !! components
        real(wp), intent(in) :: v(m), c !! the vector and its multiple
        real(wp), intent(inout) :: a(m)

        integer(ip) :: i

        !$omp simd
        do i = 1, m
            a(i) = a(i) - c*v(i)
        end do
    end subroutine subtract_one

end module WIDE_MODULE
