!> Rows of a diagonal matrix, folded into a triangle several at a time.
module minpack_fold_diagonal
    use minpack_choose, only: reflect_rows
    use minpack_constants, only: few_rows, long_row, longest_row, many_rows
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: fold_diagonal, rows_at_once

    !> A row of the block whose entry exceeds the triangle's by this factor changes places with it. For D from 1e-4 to
    !> 1e14 times as large as R, x was as exact with 40 or 0.4 as with 4; without an exchange half of its digits, and
    !> more, were lost from 1e8 on.
    real(wp), parameter :: outweighs = 4.0_wp

contains

    !> How many rows of a triangle's length fold_diagonal can fold at a time; 1 where there is no room for several.
    pure integer(ip) function rows_at_once(n)
        integer(ip), intent(in) :: n !! order of the triangle

        rows_at_once = merge(many_rows, merge(few_rows, 1_ip, n <= longest_row), n <= long_row)
    end function rows_at_once

    !> Folds d(i), i = 1, ..., each the only nonzero of a row, in column i, with right side 0, into R.
    !>
    !> Householder reflections, I - weight u uᵀ with u = (1, column), act on one row of the triangle and on the block.
    !> Where rows differ in size by orders of magnitude, as with a large λ, a reflection keeps the digits of the small
    !> ones only if the largest is the one to stay: so it takes the place in the triangle first (Powell and Reid 1969;
    !> Cox and Higham 1998: README.md).
    pure recursive subroutine fold_diagonal(n, rows, d, r, ldr, side)
        integer(ip), intent(in) :: n !! order of the triangle, of which rows_at_once(n) > 1
        integer(ip), intent(in) :: rows !! rows to fold, up to rows_at_once(n), and to n
        real(wp), intent(in) :: d(rows) !! their entries
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, *) !! Rᵀ: row k of R is r(k:n, k); above the diagonal nothing is touched
        real(wp), intent(inout) :: side(n) !! the right side of R

        real(wp) :: block(max(many_rows*long_row, few_rows*longest_row)), block_side(many_rows)
        integer(ip) :: apart, height, i, k

        height = rows_at_once(n)
        apart = merge(long_row, longest_row, height == many_rows)
        do i = 1, height
            block((i - 1)*apart + 1:(i - 1)*apart + n) = 0
            if (i <= rows) block((i - 1)*apart + i) = d(i)
            block_side(i) = 0
        end do
        do k = 1, n
            call eliminate(n - k + 1, height, r(k, k), side(k), block(k), apart, block_side)
        end do
    end subroutine fold_diagonal

    !> Makes the first column of the block zero by a reflection that acts on it and on a row of the triangle.
    pure subroutine eliminate(n, height, row, side, block, apart, block_side)
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: height !! rows of the block
        real(wp), intent(inout) :: row(n) !! the triangle's row
        real(wp), intent(inout) :: side !! its right side
        integer(ip), intent(in) :: apart !! numbers from one row of the block to the next, >= n
        real(wp), intent(inout) :: block(apart, *) !! the block, a row of it in each column; its first row here is read
                                                   !! alone
        real(wp), intent(inout) :: block_side(height) !! the block's right side

        real(wp) :: column(0:many_rows), head, norm, product, weight
        integer(ip) :: i, largest

        largest = 0
        column(0) = row(1)
        do i = 1, height
            column(i) = block(1, i)
            if (largest == 0) then
                if (abs(column(i)) > outweighs*abs(column(0))) largest = i
            else if (abs(column(i)) > abs(column(largest))) then
                largest = i
            end if
        end do
        if (all(column(1:height) == 0)) return
        if (largest > 0) then
            call exchange(row, block(1:n, largest))
            call exchange(side, block_side(largest))
            call exchange(column(0), column(largest))
        end if

        norm = enorm(height + 1, column)
        head = column(0) + sign(norm, column(0))
        weight = abs(head)/norm
        do i = 1, height
            column(i) = column(i)/head
        end do
        row(1) = -sign(norm, column(0))
        product = side
        do i = 1, height
            product = product + column(i)*block_side(i)
        end do
        product = weight*product
        side = side - product
        do i = 1, height
            block_side(i) = block_side(i) - product*column(i)
        end do
        if (n > 1) call reflect_rows(n - 1, height, weight, column(1), row(2), block(2, 1))
    end subroutine eliminate

    !> a <-> b.
    elemental subroutine exchange(a, b)
        real(wp), intent(inout) :: a, b !! the two

        real(wp) :: kept

        kept = a
        a = b
        b = kept
    end subroutine exchange

end module minpack_fold_diagonal
