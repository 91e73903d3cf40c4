!> The factorization that an iteration starts from, of a Jacobian however it lies.
module minpack_factorize
    use minpack_fold, only: fold_rows
    use minpack_fold_jacobian, only: fold_jacobian
    use minpack_kinds, only: ip, wp
    use minpack_lm_factor, only: lm_factor
    use minpack_lm_factor_blocks, only: blocks_pay
    use minpack_lm_pivot, only: lm_pivot
    use, intrinsic :: iso_c_binding, only: c_size_t
    implicit none
    private
    public :: lm_factorize

contains

    !> J P = Q R with column pivoting, the first n entries of Qᵀf, and the norms of J's columns: by blocks of rows where these pay,
    !> else column by column.
    subroutine lm_factorize(m, n, fjac, by_rows, f, r, ldr, ipvt, qtf, acnorm, wa, work) bind(c, name="lm_factorize_")
        integer(ip), intent(in) :: m, n !! rows and columns
        real(wp), intent(in) :: fjac(*) !! J, m n numbers without gaps
        integer(ip), intent(in) :: by_rows !! not 0: row after row; 0: column after column
        real(wp), intent(inout) :: f(m) !! the residuals; destroyed
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! on return R in the upper triangle; undefined where a norm is not finite
        integer(ip), intent(inout) :: ipvt(n) !! on return P
        real(wp), intent(inout) :: qtf(n) !! on return the first n entries of Qᵀf
        real(wp), intent(inout) :: acnorm(n) !! on return the norms of J's columns
        real(wp), intent(inout) :: wa(2*n) !! scratch
        real(wp), intent(inout) :: work(*) !! scratch: blocks_work(n) numbers, best aligned to 64 bytes, where blocks pay; else m n

        integer(c_size_t) :: k, t

        if (blocks_pay(m, n) /= 0) then
            k = n + 1
            t = k*fold_rows(n) + 1
            work(t:t + k*k - 1) = 0
            call fold_jacobian(m, n, fjac, by_rows, f, work(t), n + 1, work, fold_rows(n), work(t + k*k))
            call lm_pivot(n, work(t), n + 1, r, ldr, ipvt, qtf, acnorm, wa, work(t + k*k))
        else
            call arrange(m, n, fjac, by_rows, work)
            call lm_factor(m, n, work, m, ipvt, f, qtf, acnorm, wa(1), wa(n + 1))
            call keep_triangle(m, n, work, r, ldr)
        end if
    end subroutine lm_factorize

    !> The same matrix column after column.
    pure subroutine arrange(m, n, fjac, by_rows, columns)
        integer(ip), intent(in) :: m, n !! rows and columns
        real(wp), intent(in) :: fjac(*) !! the matrix, without gaps
        integer(ip), intent(in) :: by_rows !! as in lm_factorize
        real(wp), intent(inout) :: columns(m, n)

        integer(c_size_t) :: i, j

        do j = 1, n
            do i = 1, m
                if (by_rows /= 0) then
                    columns(i, j) = fjac((i - 1)*n + j)
                else
                    columns(i, j) = fjac(i + (j - 1)*m)
                end if
            end do
        end do
    end subroutine arrange

    !> The rows of a factorization that hold R.
    pure subroutine keep_triangle(m, n, a, r, ldr)
        integer(ip), intent(in) :: m, n, ldr !! rows and columns, leading dimension of r
        real(wp), intent(in) :: a(m, n) !! the factorization
        real(wp), intent(inout) :: r(ldr, n)

        r(1:n, :) = a(1:n, :)
    end subroutine keep_triangle

end module minpack_factorize
