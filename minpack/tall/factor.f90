!> The factorization that an iteration starts from: of a whole Jacobian, of the triangle that its rows have been folded
!> into, and of a tall Jacobian by way of that triangle.
!>
!> J P = Q R with column pivoting, and the first n entries of Qᵀf. A Jacobian that is not finite, as the norms of its
!> columns show, is not factored: P, R and Qᵀf are then of no use.
module minpack_factor
    use, intrinsic :: iso_c_binding, only: c_size_t
    use minpack_constants, only: largest
    use minpack_enorm, only: enorm
    use minpack_fold_jacobian, only: block_rows, fold_jacobian
    use minpack_kinds, only: ip, wp
    use minpack_qrfac, only: qrfac
    use minpack_reflect, only: reflect
    implicit none
    private
    public :: blocks_pay, blocks_work, fold_blocks, lm_factor, lm_factor_blocks, lm_pivot, pivot_blocks

    !> Blocks of rows pay for Jacobians of so many rows, and of so many rows for each column. Measured against lm_factor,
    !> with the plain kernel too. Which of the two factors changes results by rounding alone.
    integer(ip), parameter :: least_rows = 512_ip, least_ratio = 3_ip

contains

    !> From the whole Jacobian, which keeps MINPACK's bits up to 159 columns (qrfac). One that is not finite stays.
    pure subroutine lm_factor(m, n, fjac, ldfjac, ipvt, f, qtf, acnorm, rdiag, wa) bind(c, name="lm_factor_")
        integer(ip), intent(in) :: m !! rows, >= n
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac, >= m
        real(wp), intent(inout) :: fjac(ldfjac, n) !! J; on return R in the upper triangle, below it what is left of the
                                                   !! reflectors
        integer(ip), intent(out) :: ipvt(n) !! P: column j of J P is column ipvt(j) of J
        real(wp), intent(inout) :: f(m) !! the residuals; on return Qᵀf
        real(wp), intent(out) :: qtf(n) !! its first n entries
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n), wa(n) !! scratch

        integer(ip), parameter :: pivot = 1_ip
        integer(ip) :: j

        call qrfac(m, n, fjac, ldfjac, pivot, ipvt, n, rdiag, acnorm, wa)
        if (all(acnorm <= largest)) then
            do j = 1, n
                if (fjac(j, j) /= 0) call reflect(m - j + 1, 1_ip, fjac(j, j), f(j), m)
                fjac(j, j) = rdiag(j)
            end do
        end if
        qtf = f(1:n)
    end subroutine lm_factor

    !> From the triangle of [J f].
    !>
    !> Reflections keep the norms of columns: those of the triangle are those of J, and so are the pivots, but for
    !> rounding. Where a norm is not finite, r is the triangle as it came, and qtf its right side. What is left of f,
    !> beyond the reach of J, is t(n + 1, n + 1), whose sign means nothing.
    pure subroutine lm_pivot(n, t, ldt, r, ldr, ipvt, qtf, acnorm, rdiag, wa) bind(c, name="lm_pivot_")
        integer(ip), intent(in) :: n !! columns of J
        integer(ip), intent(in) :: ldt !! leading dimension of t, >= n + 1
        real(wp), intent(in) :: t(ldt, n + 1) !! the transposed triangle, of order n + 1, as fold leaves it
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! on return R in the upper triangle, below it what is left of reflectors;
                                             !! rows behind the first n are not touched
        integer(ip), intent(out) :: ipvt(n) !! P: column j of J P is column ipvt(j) of J
        real(wp), intent(out) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n), wa(2*n) !! scratch

        integer(ip) :: i, j

        do j = 1, n
            wa(j) = t(n + 1, j)
            do i = 1, j
                r(i, j) = t(j, i)
            end do
            r(j + 1:n, j) = 0
        end do
        call lm_factor(n, n, r, ldr, ipvt, wa(1), qtf, acnorm, rdiag, wa(n + 1))
    end subroutine lm_pivot

    !> Not 0 where blocks of rows are faster than columns one by one, which keep MINPACK's bits.
    pure integer(ip) function blocks_pay(m, n) bind(c, name="blocks_pay_")
        integer(ip), intent(in) :: m !! residuals
        integer(ip), intent(in) :: n !! parameters

        blocks_pay = merge(1_ip, 0_ip, m >= least_rows .and. m/least_ratio >= n)
    end function blocks_pay

    !> How many numbers lm_factor_blocks needs for scratch: a block of rows, the triangle, and fold's own scratch.
    pure integer(c_size_t) function blocks_work(n) bind(c, name="blocks_work_")
        integer(ip), intent(in) :: n !! parameters

        integer(c_size_t) :: t, wa

        call find_places(n, t, wa)
        blocks_work = wa - 1 + 4*(int(n, c_size_t) + 1)
    end function blocks_work

    !> As lm_factor, by blocks of rows. A Jacobian that is not finite stays.
    pure subroutine lm_factor_blocks(m, n, fjac, ldfjac, ipvt, f, qtf, acnorm, rdiag, work)
        integer(ip), intent(in) :: m !! rows, >= n
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: ldfjac !! leading dimension of fjac: m
        real(wp), intent(inout) :: fjac(ldfjac, n) !! J; on return R in the upper triangle, scratch below it in the
                                                   !! first n rows, and J in the others
        integer(ip), intent(inout) :: ipvt(n) !! P, as lm_factor has it; kept where J is not finite, as qtf is
        real(wp), intent(in) :: f(m) !! the residuals
        real(wp), intent(inout) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n) !! scratch
        real(wp), intent(inout) :: work(*) !! scratch: blocks_work(n) numbers, best aligned to 64 bytes

        call fold_blocks(m, n, fjac, f, acnorm, work)
        if (all(acnorm <= largest)) call pivot_blocks(n, work, fjac, ldfjac, ipvt, qtf, acnorm, rdiag)
    end subroutine lm_factor_blocks

    !> The first half of lm_factor_blocks: the triangle of [J f], which stays in `work`, and the norms of J's columns.
    pure subroutine fold_blocks(m, n, fjac, f, acnorm, work)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        real(wp), intent(in) :: fjac(m, n) !! J
        real(wp), intent(in) :: f(m) !! the residuals
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(inout) :: work(*) !! blocks_work(n) numbers, best aligned to 64 bytes

        integer(ip), parameter :: by_columns = 0_ip
        integer(c_size_t) :: t, wa

        call find_places(n, t, wa)
        work(t:wa - 1) = 0
        call fold_jacobian(m, n, fjac, by_columns, f, work(t), n + 1, work, block_rows(n), work(wa))
        call find_norms(n, work(t), acnorm, work(wa))
    end subroutine fold_blocks

    !> The second half, for norms that are finite.
    pure subroutine pivot_blocks(n, work, r, ldr, ipvt, qtf, acnorm, rdiag)
        integer(ip), intent(in) :: n !! columns of J
        real(wp), intent(inout) :: work(*) !! what fold_blocks left
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! on return as lm_pivot leaves it
        integer(ip), intent(out) :: ipvt(n) !! P: column j of J P is column ipvt(j) of J
        real(wp), intent(out) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n) !! scratch

        integer(c_size_t) :: t, wa

        call find_places(n, t, wa)
        call lm_pivot(n, work(t), n + 1, r, ldr, ipvt, qtf, acnorm, rdiag, work(wa))
    end subroutine pivot_blocks

    !> Where things are in `work`, behind a block of rows.
    pure subroutine find_places(n, t, wa)
        integer(ip), intent(in) :: n !! columns of J
        integer(c_size_t), intent(out) :: t !! where the triangle of [J f] begins
        integer(c_size_t), intent(out) :: wa !! where the scratch of fold and lm_pivot begins

        integer(c_size_t) :: k

        k = int(n, c_size_t) + 1
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

end module minpack_factor
