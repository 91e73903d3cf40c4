!> QR factorization by Householder reflections, with column pivoting on request.
module minpack_qrfac
    use minpack_constants, only: downdate_trust, largest, machine_precision
    use minpack_enorm, only: column_norms, enorm
    use minpack_kinds, only: ip, wp
    use minpack_qrfac_delayed, only: qrfac_delayed, widest_delayed
    use minpack_reflect, only: exchange_columns, find_reflector, reflect
    implicit none
    private
    public :: qrfac

    !> From so many columns (and rows) on, several reflections are applied at a time, and not to MINPACK's bits. Time
    !> relative to one by one, with plain, v3 and v4 kernels: 1.10, 0.95 and 1.04 at 128 x 128; 0.96, 0.84 and 0.97 at
    !> 160 x 160; 0.87, 0.76 and 0.75 at 2000 x 2000.
    integer(ip), parameter :: delayed_from = 160_ip

contains

    !> A P = Q R with |r_11| >= |r_22| >= ..., each pivot being the largest remaining column norm.
    !>
    !> Afterwards column j of `a` holds, above the diagonal, column j of R, and from the diagonal down the
    !> reflector v_j: Q is the product of I - v_j v_jᵀ/(v_j)_j, j = 1, ..., min(m, n).
    !>
    !> The norms of what remains of each column are downdated rather than recomputed, until cancellation has
    !> taken their digits. From delayed_from columns on the reflections of a wide matrix wait for one another
    !> (qrfac_delayed): the same but for rounding.
    !>
    !> A matrix with a column whose norm is not finite is left as it is: there is nothing to factor, and the
    !> caller may want to look for the culprit.
    !>
    !> | here | Businger and Golub (1965), with j for their k |
    !> | --- | --- |
    !> | `a` before reflection j | A^(j) |
    !> | the reflection I - v_j v_jᵀ/(v_j)_j | P^(j) = I - β_j u^(j) u^(j)ᵀ |
    !> | v_j; 1/(v_j)_j | ±u^(j)/σ_j; β_j σ_j²: of a size at which no square overflows |
    !> | `rdiag(j)` after reflection j | α_j = ∓σ_j, the diagonal of R |
    !> | `rdiag(k)`, k > j; its square | s_k^(j+1): the sum of squares of what remains of column k |
    pure subroutine qrfac(m, n, a, lda, pivot, ipvt, lipvt, rdiag, acnorm, wa) bind(c, name="qrfac_")
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        integer(ip), intent(in) :: lipvt !! length of ipvt: n, or 1 where there is no pivoting
        real(wp), intent(inout) :: a(lda, n) !! A; on return R above the diagonal, reflectors from it down
        integer(ip), intent(in) :: pivot !! not 0 to pivot (Fortran 77's logical)
        integer(ip), intent(inout) :: ipvt(lipvt) !! on return P: column j of A P is column ipvt(j) of A; not touched
                                                  !! without pivoting
        real(wp), intent(out) :: rdiag(n) !! diagonal of R; entries behind min(m, n) are scratch
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of A
        real(wp), intent(out) :: wa(n) !! scratch: the norms that the downdating started from

        integer(ip) :: j, pivot_column

        call column_norms(m, n, a, lda, acnorm)
        do j = 1, n
            rdiag(j) = acnorm(j)
            wa(j) = acnorm(j)
            if (pivot /= 0) ipvt(j) = j
        end do
        if (.not. all(acnorm <= largest)) return

        do j = 1, min(m, n)
            if (pivot /= 0) then
                if (min(m, n) >= delayed_from .and. n - j < widest_delayed) then
                    call qrfac_delayed(m, n, a, lda, ipvt, rdiag, wa, j - 1)
                    return
                end if
                pivot_column = j - 1 + int(maxloc(rdiag(j:n), dim=1), ip)
                if (pivot_column /= j) call exchange_columns(m, n, a, lda, ipvt, rdiag, wa, j, pivot_column)
            end if

            call find_reflector(m - j + 1, a(j, j), rdiag(j))
            if (rdiag(j) == 0 .or. j == n) cycle
            call reflect(m - j + 1, n - j, a(j, j), a(j, j + 1), lda)
            if (pivot /= 0) call downdate(m, n, a, lda, rdiag, wa, j)
        end do
    end subroutine qrfac

    !> Takes row j out of the norms of the columns behind it.
    pure subroutine downdate(m, n, a, lda, rdiag, wa, j)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(in) :: a(lda, n) !! the matrix, after j reflections
        real(wp), intent(inout) :: rdiag(n) !! norms of rows j to m before, j + 1 to m afterwards
        real(wp), intent(inout) :: wa(n) !! the norm when it was last computed in full
        integer(ip), intent(in) :: j !! the row that the last reflection finished

        integer(ip) :: k

        do k = j + 1, n
            if (rdiag(k) == 0) cycle
            rdiag(k) = rdiag(k)*sqrt(max(0.0_wp, 1 - (a(j, k)/rdiag(k))**2))
            if (downdate_trust*(rdiag(k)/wa(k))**2 > machine_precision) cycle
            rdiag(k) = enorm(m - j, a(min(j + 1, m), k))
            wa(k) = rdiag(k)
        end do
    end subroutine downdate

end module minpack_qrfac
