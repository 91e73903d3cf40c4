!> A whole Jacobian and its residuals, folded into a triangle block by block.
module minpack_fold_jacobian
    use, intrinsic :: iso_c_binding, only: c_size_t
    use minpack_choose, only: fold
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: block_rows, fold_jacobian

    !> Rows of a block: `short` from `few` columns on, else `long`. How long a block is changes a triangle by rounding.
    !>
    !> Measured with all three kernels, 48 KiB of first-level and 2 MiB of second-level cache, and blocks of 64 to
    !> 512 rows: few columns profit from long blocks (384 rows take a tenth less time than 256 at n = 20, a fifth less
    !> than 128), many want block and panel in the first two levels (192 is best from n = 50 to 500). Powers of two, at
    !> which columns compete for the same places in the cache, cost up to a fifth.
    integer(ip), parameter :: long = 384_ip, short = 192_ip, few = 40_ip

    !> Rows that are transposed together: what a cache line holds. Changes the speed, and no bit.
    integer(ip), parameter :: strip = 8_ip

contains

    !> Rows of a block that make folding fastest, for n columns and a right side.
    pure integer(ip) function block_rows(n) bind(c, name="block_rows_")
        integer(ip), intent(in) :: n !! columns of the Jacobian

        block_rows = merge(long, short, n < few)
    end function block_rows

    !> Folds [J f] into t, to which it adds: zeros for a triangle of J and f alone.
    pure subroutine fold_jacobian(m, n, fjac, by_rows, f, t, ldt, block, ldb, wa) bind(c, name="fold_jacobian_")
        integer(ip), intent(in) :: m !! rows of J
        integer(ip), intent(in) :: n !! columns of J
        real(wp), intent(in) :: fjac(*) !! J, m n numbers without gaps
        integer(ip), intent(in) :: by_rows !! not 0: row after row; 0: column after column
        real(wp), intent(in) :: f(m) !! the residuals
        integer(ip), intent(in) :: ldt !! leading dimension of t, > n
        real(wp), intent(inout) :: t(ldt, n + 1) !! the transposed triangle of order n + 1
        integer(ip), intent(in) :: ldb !! rows of a block, > 0: best block_rows(n)
        real(wp), intent(out) :: block(ldb, n + 1) !! scratch, best aligned to 64 bytes
        real(wp), intent(out) :: wa(4, n + 1) !! scratch

        integer(ip) :: done, rows

        done = 0
        do while (done < m)
            rows = min(ldb, m - done)
            if (by_rows /= 0) then
                call pack_rows(rows, n, fjac(int(done, c_size_t)*n + 1), n, block, ldb) ! done*n may exceed an integer
            else
                call pack_columns(rows, n, fjac(done + 1), m, block, ldb)
            end if
            call pack_columns(rows, 1_ip, f(done + 1), m, block(1, n + 1), ldb)
            call fold(rows, n + 1, block, ldb, t, ldt, wa)
            done = done + rows
        end do
    end subroutine fold_jacobian

    !> Rows that lie one after the other, into the columns of a block.
    pure subroutine pack_rows(rows, n, a, lda, block, ldb)
        integer(ip), intent(in) :: rows !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! numbers from one row to the next, >= n
        real(wp), intent(in) :: a(lda, rows) !! the rows
        integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
        real(wp), intent(inout) :: block(ldb, n) !! the block; what lies behind the rows is not touched

        integer(ip) :: first, i, j

        do first = 1, rows - strip + 1, strip
            do j = 1, n
                do i = 0, strip - 1
                    block(first + i, j) = a(j, first + i)
                end do
            end do
        end do
        do i = rows - mod(rows, strip) + 1, rows
            do j = 1, n
                block(i, j) = a(j, i)
            end do
        end do
    end subroutine pack_rows

    !> Rows out of columns, into the columns of a block.
    pure subroutine pack_columns(rows, n, a, lda, block, ldb)
        integer(ip), intent(in) :: rows !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! numbers from one column to the next, >= rows
        real(wp), intent(in) :: a(lda, *) !! the first of the rows, in each column
        integer(ip), intent(in) :: ldb !! leading dimension of block, >= rows
        real(wp), intent(inout) :: block(ldb, n) !! the block; what lies behind the rows is not touched

        integer(ip) :: i, j

        do j = 1, n
            do i = 1, rows
                block(i, j) = a(i, j)
            end do
        end do
    end subroutine pack_columns

end module minpack_fold_jacobian
