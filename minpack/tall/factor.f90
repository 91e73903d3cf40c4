!> The factorization that an iteration starts from: of a whole Jacobian, of the triangle that its rows have been folded
!> into, and of a Jacobian however it lies, by that triangle where it is tall.
!>
!> J P = Q R with column pivoting, and the first n entries of Qᵀf. A Jacobian that is not finite, as the norms of its
!> columns show, is not factored: P, R and Qᵀf are then of no use.
module minpack_factor
    use, intrinsic :: iso_c_binding, only: c_size_t
    use minpack_constants, only: largest
    use minpack_fold_jacobian, only: block_rows, fold_jacobian
    use minpack_kinds, only: ip, wp
    use minpack_qrfac, only: qrfac
    use minpack_reflect, only: reflect
    implicit none
    private
    public :: apply_qt, blocks_pay, blocks_work, lm_factor, lm_factorize, lm_pivot

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
        real(wp), intent(out) :: rdiag(n) !! on return the first entries of the reflectors, where R has its diagonal
        real(wp), intent(out) :: wa(n) !! scratch

        integer(ip), parameter :: pivot = 1_ip
        real(wp) :: head
        integer(ip) :: j

        call qrfac(m, n, fjac, ldfjac, pivot, ipvt, n, rdiag, acnorm, wa)
        if (all(acnorm <= largest)) then
            call apply_qt(m, n, fjac, ldfjac, f)
            do j = 1, n
                head = fjac(j, j)
                fjac(j, j) = rdiag(j)
                rdiag(j) = head
            end do
        end if
        qtf = f(1:n)
    end subroutine lm_factor

    !> f <- Qᵀ f.
    pure subroutine apply_qt(m, n, q, ldq, f) bind(c, name="apply_qt_")
        integer(ip), intent(in) :: m, n !! rows and columns of J
        integer(ip), intent(in) :: ldq !! leading dimension of q, >= m
        real(wp), intent(in) :: q(ldq, n) !! the reflectors, on the diagonal and below; their first entries 0 where there is none
        real(wp), intent(inout) :: f(m)

        integer(ip) :: j

        do j = 1, n
            if (q(j, j) /= 0) call reflect(m - j + 1, 1_ip, q(j, j), f(j), m)
        end do
    end subroutine apply_qt

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

    !> How many numbers lm_factorize needs for scratch where blocks pay: a block of rows, the triangle, and fold's own scratch.
    pure integer(c_size_t) function blocks_work(n) bind(c, name="blocks_work_")
        integer(ip), intent(in) :: n !! parameters

        integer(c_size_t) :: t, wa

        call find_places(n, t, wa)
        blocks_work = wa - 1 + 4*(int(n, c_size_t) + 1)
    end function blocks_work

    !> J P = Q R with column pivoting, the first n entries of Qᵀf, and the norms of J's columns: by blocks of rows, where these
    !> pay, or column by column.
    pure subroutine lm_factorize(m, n, fjac, by_rows, by_blocks, f, r, ldr, ipvt, qtf, acnorm, wa, work) &
            bind(c, name="lm_factorize_")
        integer(ip), intent(in) :: m, n !! rows and columns
        real(wp), intent(in) :: fjac(*) !! J, m n numbers without gaps
        integer(ip), intent(in) :: by_rows !! not 0: row after row; 0: column after column
        integer(ip), intent(in) :: by_blocks !! not 0: by blocks
        real(wp), intent(inout) :: f(m) !! the residuals; destroyed
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! on return R in the upper triangle; undefined where a norm is not finite
        integer(ip), intent(inout) :: ipvt(n) !! on return P
        real(wp), intent(inout) :: qtf(n) !! on return the first n entries of Qᵀf
        real(wp), intent(inout) :: acnorm(n) !! on return the norms of J's columns
        real(wp), intent(inout) :: wa(2*n) !! scratch
        real(wp), intent(inout) :: work(*) !! scratch for blocks: blocks_work(n) numbers, best aligned to 64 bytes; else m n numbers,
                                           !! on return the reflectors of Q, for apply_qt

        integer(c_size_t) :: scratch, t

        if (by_blocks /= 0) then
            call find_places(n, t, scratch)
            work(t:scratch - 1) = 0
            call fold_jacobian(m, n, fjac, by_rows, f, work(t), n + 1, work, block_rows(n), work(scratch))
            call lm_pivot(n, work(t), n + 1, r, ldr, ipvt, qtf, acnorm, wa, work(scratch))
        else
            call arrange(m, n, fjac, by_rows, work)
            call lm_factor(m, n, work, m, ipvt, f, qtf, acnorm, wa(1), wa(n + 1))
            call part_triangle(m, n, work, r, ldr, wa(1))
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

    !> R by itself, and the reflectors as they were before R took the places of their first entries.
    pure subroutine part_triangle(m, n, a, r, ldr, heads)
        integer(ip), intent(in) :: m, n, ldr !! rows and columns, leading dimension of r
        real(wp), intent(inout) :: a(m, n) !! what lm_factor has made of J; on return with the reflectors' first entries
        real(wp), intent(inout) :: r(ldr, n)
        real(wp), intent(in) :: heads(n) !! these

        integer(ip) :: j

        r(1:n, :) = a(1:n, :)
        do j = 1, n
            a(j, j) = heads(j)
        end do
    end subroutine part_triangle

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

end module minpack_factor
