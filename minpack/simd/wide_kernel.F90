!> The inner loops of wide problems, where nearly all of their time goes.
!>
!> As fold_kernel.F90 this file is compiled once for each instruction set, under a module of its own (WIDE_MODULE);
!> minpack_choose has the choice. Multiplications and additions may be fused and sums be taken in parts: the last bits
!> depend on the instruction set, and on nothing else.
module & ! meson, which has not preprocessed this, is not to expect a module of that name
    WIDE_MODULE
    use minpack_constants, only: few_rows, long_row, longest_row, many_rows
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: multiply_columns, reflect_rows, subtract_product

    !> Rows of a column that are brought up to date at once: a panel of reflectors this high stays in cache.
    integer(ip), parameter :: tile = 256_ip

contains

    !> Applies a reflection, (row; block) <- (I - weight u uᵀ)(row; block) with u = (1, v), across the columns.
    !>
    !> A compiler unrolls the loops over the rows, and then vectorizes the one over the columns, where the number of rows
    !> is a constant: hence the same lines for either of the two numbers that there are.
    pure subroutine reflect_rows(n, rows, weight, v, row, block)
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: rows !! rows of the block: many_rows or few_rows
        real(wp), intent(in) :: weight !! 2/‖u‖²
        real(wp), intent(in) :: v(rows) !! the reflector behind its first entry, which is 1
        real(wp), intent(inout) :: row(n) !! the row of the triangle
        real(wp), intent(inout) :: block(*) !! the rows of the block, long_row or longest_row numbers apart

        real(wp) :: product
        integer(ip) :: i, j

        if (rows == many_rows) then
            do j = 1, n
                product = row(j)
                do i = 1, many_rows
                    product = product + v(i)*block((i - 1)*long_row + j)
                end do
                product = weight*product
                row(j) = row(j) - product
                do i = 1, many_rows
                    block((i - 1)*long_row + j) = block((i - 1)*long_row + j) - product*v(i)
                end do
            end do
        else
            do j = 1, n
                product = row(j)
                do i = 1, few_rows
                    product = product + v(i)*block((i - 1)*longest_row + j)
                end do
                product = weight*product
                row(j) = row(j) - product
                do i = 1, few_rows
                    block((i - 1)*longest_row + j) = block((i - 1)*longest_row + j) - product*v(i)
                end do
            end do
        end if
    end subroutine reflect_rows

    !> y = Aᵀ v.
    pure subroutine multiply_columns(m, n, a, lda, v, y)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(in) :: a(lda, *) !! A: m rows of n columns
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

    !> A <- A - V F. V may stand in the columns of the same matrix just before A: they don't overlap.
    pure subroutine subtract_product(m, n, k, v, ldv, f, ldf, a, lda)
        integer(ip), intent(in) :: m !! rows of A and V
        integer(ip), intent(in) :: n !! columns of A and F
        integer(ip), intent(in) :: k !! columns of V, rows of F
        integer(ip), intent(in) :: ldv !! leading dimension of v, >= m
        real(wp), intent(in) :: v(ldv, k) !! V
        integer(ip), intent(in) :: ldf !! leading dimension of f, >= k
        real(wp), intent(in) :: f(ldf, n) !! F
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(inout) :: a(lda, *) !! A: m rows of n columns

        integer(ip) :: done, first, j, l, rows

        do first = 1, m, tile
            rows = min(tile, m - first + 1)
            do j = 1, n - 1, 2
                do l = 1, k - 3, 4
                    call subtract_four(rows, v(first, l), v(first, l + 1), v(first, l + 2), v(first, l + 3), &
                                       f(l, j), f(l, j + 1), a(first, j), a(first, j + 1))
                end do
            end do
            do j = 1, n
                done = merge(k - mod(k, 4_ip), 0_ip, j <= n - mod(n, 2_ip)) ! columns of V
                do l = done + 1, k
                    call subtract_one(rows, v(first, l), f(l, j), a(first, j))
                end do
            end do
        end do
    end subroutine subtract_product

    !> Subtracts combinations of four vectors from two others.
    pure subroutine subtract_four(m, v1, v2, v3, v4, f, g, a, b)
        integer(ip), intent(in) :: m !! length of the vectors
        real(wp), intent(in) :: v1(m), v2(m), v3(m), v4(m) !! the four
        real(wp), intent(in) :: f(4), g(4) !! their multiples for a and for b
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
        integer(ip), intent(in) :: m !! length of both vectors
        real(wp), intent(in) :: v(m) !! what is subtracted
        real(wp), intent(in) :: c !! the multiple of it
        real(wp), intent(inout) :: a(m) !! from what

        integer(ip) :: i

        !$omp simd
        do i = 1, m
            a(i) = a(i) - c*v(i)
        end do
    end subroutine subtract_one

end module WIDE_MODULE
