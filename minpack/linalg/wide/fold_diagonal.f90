!> Rows of a diagonal matrix, folded into a triangle several at a time.
module minpack_fold_diagonal
    use minpack_constants, only: longest_row, rows_at_once
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    use minpack_wide, only: reflect_rows
    implicit none
    private
    public :: fold_diagonal

    !> A row of the block whose entry exceeds the triangle's by this factor changes places with it.
    real(wp), parameter :: outweighs = 4.0_wp

contains

    !> Folds d(i), i = 1, ..., each the only nonzero of a row, in column i, with right side 0, into R.
    !>
    !> Householder reflections act on one row of the triangle and on the block. Where rows differ in size by
    !> orders of magnitude, as with a large λ, a reflection keeps the digits of the small ones only if the largest
    !> is the one to stay: so it takes the place in the triangle first (Powell and Reid 1969; Cox and Higham 1998:
    !> README.md). Without that, x lost half its digits at λ = 1e16.
    pure recursive subroutine fold_diagonal(n, rows, d, r, ldr, side)
        integer(ip), intent(in) :: n !! order of the triangle, up to longest_row
        integer(ip), intent(in) :: rows !! rows to fold, up to rows_at_once, and to n
        real(wp), intent(in) :: d(rows) !! their entries
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! Rᵀ: row k of R is r(k:n, k); above the diagonal nothing is touched
        real(wp), intent(inout) :: side(n) !! the right side of R

        real(wp) :: block(longest_row, rows_at_once), block_side(rows_at_once)
        integer(ip) :: i, k

        do i = 1, rows_at_once
            block(1:n, i) = 0
            block_side(i) = 0
        end do
        do i = 1, rows
            block(i, i) = d(i)
        end do
        do k = 1, n
            call eliminate(n - k + 1, r(k, k), side(k), block(k, 1), block_side)
        end do
    end subroutine fold_diagonal

    !> Makes the first column of the block zero by a reflection that acts on it and on a row of the triangle.
    pure subroutine eliminate(n, row, side, block, block_side)
        integer(ip), intent(in) :: n !! columns
        real(wp), intent(inout) :: row(n), side !! the triangle's row
        real(wp), intent(inout) :: block(longest_row, *) !! the block; its first column is not written
        real(wp), intent(inout) :: block_side(rows_at_once) !! the block's right side

        real(wp) :: column(0:rows_at_once), head, norm, product, weight
        integer(ip) :: i, largest

        largest = 0
        column(0) = row(1)
        do i = 1, rows_at_once
            column(i) = block(1, i)
            if (largest == 0) then
                if (abs(column(i)) > outweighs*abs(column(0))) largest = i
            else if (abs(column(i)) > abs(column(largest))) then
                largest = i
            end if
        end do
        if (all(column(1:) == 0)) return
        if (largest > 0) then
            call exchange(row, block(1:n, largest))
            call exchange(side, block_side(largest))
            call exchange(column(0), column(largest))
        end if

        norm = enorm(rows_at_once + 1, column)
        head = column(0) + sign(norm, column(0))
        weight = abs(head)/norm
        do i = 1, rows_at_once
            column(i) = column(i)/head
        end do
        row(1) = -sign(norm, column(0))
        product = side
        do i = 1, rows_at_once
            product = product + column(i)*block_side(i)
        end do
        product = weight*product
        side = side - product
        do i = 1, rows_at_once
            block_side(i) = block_side(i) - product*column(i)
        end do
        if (n > 1) call reflect_rows(n - 1, weight, column(1), row(2), block(2, 1))
    end subroutine eliminate

    !> a <-> b.
    elemental subroutine exchange(a, b)
        real(wp), intent(inout) :: a, b

        real(wp) :: kept

        kept = a
        a = b
        b = kept
    end subroutine exchange

end module minpack_fold_diagonal
