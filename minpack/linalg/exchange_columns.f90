!> Two columns of a factorization in progress, exchanged.
module minpack_exchange_columns
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: exchange_columns

contains

    !> Brings column k to place j; the column that stood there takes the other's place.
    pure subroutine exchange_columns(m, n, a, lda, ipvt, rdiag, wa, j, k)
        integer(ip), intent(in) :: m, n, lda !! shape of a
        real(wp), intent(inout) :: a(lda, n)
        integer(ip), intent(inout) :: ipvt(n)
        real(wp), intent(inout) :: rdiag(n), wa(n) !! norms; those of place j are not needed any more
        integer(ip), intent(in) :: j, k !! the two places, j < k

        real(wp) :: kept
        integer(ip) :: i

        do i = 1, m
            kept = a(i, j)
            a(i, j) = a(i, k)
            a(i, k) = kept
        end do
        rdiag(k) = rdiag(j)
        wa(k) = wa(j)
        i = ipvt(j)
        ipvt(j) = ipvt(k)
        ipvt(k) = i
    end subroutine exchange_columns

end module minpack_exchange_columns
