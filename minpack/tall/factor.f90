!> The factorization that an iteration starts from, for tall Jacobians: by blocks of rows.
module minpack_lm_factor_blocks
    use, intrinsic :: iso_c_binding, only: c_size_t
    use minpack_constants, only: largest
    use minpack_enorm, only: enorm
    use minpack_fold_jacobian, only: block_rows, fold_jacobian
    use minpack_kinds, only: ip, wp
    use minpack_lm_pivot, only: lm_pivot
    implicit none
    private
    public :: blocks_pay, blocks_work, fold_blocks, lm_factor_blocks, pivot_blocks

contains

    !> Not 0 where blocks of rows are faster than columns one by one, which keep MINPACK's bits.
    !>
    !> Measured against lm_factor, on the plain kernel too.
    pure integer(ip) function blocks_pay(m, n) bind(c, name="blocks_pay_")
        integer(ip), intent(in) :: m, n !! residuals and parameters

        integer(ip), parameter :: least_rows = 512_ip !! of a Jacobian
        integer(ip), parameter :: least_ratio = 3_ip !! of rows to columns

        blocks_pay = merge(1_ip, 0_ip, m >= least_rows .and. m/least_ratio >= n)
    end function blocks_pay

    !> How many numbers lm_factor_blocks needs for scratch.
    pure integer(c_size_t) function blocks_work(n) bind(c, name="blocks_work_")
        integer(ip), intent(in) :: n !! parameters

        integer(c_size_t) :: k

        k = n + 1
        blocks_work = k*(block_rows(n) + k + 4)
    end function blocks_work

    !> J P = Q R with column pivoting, and the first n entries of Qᵀf, as lm_factor gives them. A Jacobian that is
    !> not finite, as its column norms show, stays as it is.
    subroutine lm_factor_blocks(m, n, fjac, ldfjac, ipvt, f, qtf, acnorm, rdiag, work)
        integer(ip), intent(in) :: m, n !! rows and columns
        integer(ip), intent(in) :: ldfjac !! leading dimension: m
        real(wp), intent(inout) :: fjac(ldfjac, n) !! J; on return R in the upper triangle, scratch below it in the
                                                   !! first n rows, and J in the others
        integer(ip), intent(out) :: ipvt(n) !! P
        real(wp), intent(in) :: f(m) !! the residuals
        real(wp), intent(out) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n) !! scratch
        real(wp), intent(inout) :: work(*) !! scratch: blocks_work(n) numbers, best aligned to 64 bytes

        call fold_blocks(m, n, fjac, f, acnorm, work)
        if (all(acnorm <= largest)) call pivot_blocks(n, work, fjac, ldfjac, ipvt, qtf, acnorm, rdiag)
    end subroutine lm_factor_blocks

    !> The first half of lm_factor_blocks: the triangle of [J f], which stays in `work`, and the norms of J's columns.
    subroutine fold_blocks(m, n, fjac, f, acnorm, work)
        integer(ip), intent(in) :: m, n !! rows and columns
        real(wp), intent(in) :: fjac(m, n) !! J
        real(wp), intent(in) :: f(m) !! the residuals
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(inout) :: work(*) !! blocks_work(n) numbers, best aligned to 64 bytes

        integer(ip), parameter :: by_columns = 0_ip
        integer(c_size_t) :: k, t, wa

        call find_places(n, k, t, wa)
        work(t:wa - 1) = 0
        call fold_jacobian(m, n, fjac, by_columns, f, work(t), n + 1, work, block_rows(n), work(wa))
        call find_norms(n, work(t), acnorm, work(wa))
    end subroutine fold_blocks

    !> The second half, for norms that are finite: P, R and the first n entries of Qᵀf.
    subroutine pivot_blocks(n, work, r, ldr, ipvt, qtf, acnorm, rdiag)
        integer(ip), intent(in) :: n !! columns
        real(wp), intent(inout) :: work(*) !! what fold_blocks left
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! on return R in the upper triangle, scratch below it in n rows
        integer(ip), intent(out) :: ipvt(n) !! P
        real(wp), intent(out) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n) !! scratch

        integer(c_size_t) :: k, t, wa

        call find_places(n, k, t, wa)
        call lm_pivot(n, work(t), n + 1, r, ldr, ipvt, qtf, acnorm, rdiag, work(wa))
    end subroutine pivot_blocks

    !> Where things are in `work`, behind a block of rows.
    pure subroutine find_places(n, k, t, wa)
        integer(ip), intent(in) :: n !! columns of J
        integer(c_size_t), intent(out) :: k !! columns of [J f]
        integer(c_size_t), intent(out) :: t, wa !! its triangle, and scratch

        k = n + 1
        t = k*block_rows(n) + 1
        wa = t + k*k
    end subroutine find_places

    !> The norms of J's columns, from the triangle of [J f].
    pure subroutine find_norms(n, t, acnorm, column)
        integer(ip), intent(in) :: n !! columns of J
        real(wp), intent(in) :: t(n + 1, n + 1) !! the triangle, transposed
        real(wp), intent(out) :: acnorm(n) !! the norms
        real(wp), intent(out) :: column(n) !! scratch

        integer(ip) :: i, j

        do j = 1, n
            do i = 1, j
                column(i) = t(j, i)
            end do
            acnorm(j) = enorm(j, column)
        end do
    end subroutine find_norms

end module minpack_lm_factor_blocks
