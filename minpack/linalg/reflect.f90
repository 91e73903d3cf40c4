!> What a QR factorization is made of: Householder reflections in MINPACK's form, and the exchange of columns.
!>
!> A reflection is H = I - v vᵀ/v₁. MINPACK scales its vector v such that v₁ = 1 + |a₁|/‖a‖, which lies between 1 and 2,
!> a being the vector that H turns into ∓‖a‖ e₁: no square of an entry of a is ever formed outside of the norm.
module minpack_reflect
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: exchange_columns, find_reflector, reflect

contains

    !> The reflection that turns a vector a into a multiple of e₁, of the opposite sign to a₁'s.
    pure subroutine find_reflector(m, v, diagonal)
        integer(ip), intent(in) :: m !! length of the vector, > 0
        real(wp), intent(inout) :: v(m) !! a; on return v, or still a where that is 0 and there is nothing to reflect
        real(wp), intent(out) :: diagonal !! what a becomes in its first place: ∓‖a‖

        real(wp) :: norm

        norm = enorm(m, v)
        if (norm /= 0) then
            if (v(1) < 0) norm = -norm
            v = v/norm
            v(1) = v(1) + 1
        end if
        diagonal = -norm
    end subroutine find_reflector

    !> a <- (I - v vᵀ/v₁) a, for each column of a.
    !>
    !> Four columns share one read of v, and their dot products don't wait for one another; the sum of each
    !> column stays in the order of its rows, so that no bit depends on how many columns there are.
    pure subroutine reflect(m, n, v, a, lda)
        integer(ip), intent(in) :: m !! length of the reflector
        integer(ip), intent(in) :: n !! columns to reflect
        real(wp), intent(in) :: v(m) !! the reflector, v₁ /= 0
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(inout) :: a(lda, *) !! the n columns, of which the first m rows take part

        integer(ip), parameter :: width = 4_ip !! columns at a time: changes the speed, and no bit
        real(wp) :: dot(width)
        integer(ip) :: i, j, k

        do j = 1, n - width + 1, width
            dot = 0
            do i = 1, m
                do k = 1, width
                    dot(k) = dot(k) + v(i)*a(i, j + k - 1)
                end do
            end do
            do k = 1, width
                call subtract_multiple(m, dot(k)/v(1), v, a(1, j + k - 1))
            end do
        end do
        do j = n - mod(n, width) + 1, n
            dot(1) = 0
            do i = 1, m
                dot(1) = dot(1) + v(i)*a(i, j)
            end do
            call subtract_multiple(m, dot(1)/v(1), v, a(1, j))
        end do
    end subroutine reflect

    !> y <- y - c v.
    pure subroutine subtract_multiple(m, c, v, y)
        integer(ip), intent(in) :: m !! length of both vectors
        real(wp), intent(in) :: c !! the multiple
        real(wp), intent(in) :: v(m) !! what is subtracted
        real(wp), intent(inout) :: y(m) !! from what

        integer(ip) :: i

        do i = 1, m
            y(i) = y(i) - c*v(i)
        end do
    end subroutine subtract_multiple

    !> Brings column k of a factorization in progress to place j, and the column that stood there to place k.
    pure subroutine exchange_columns(m, n, a, lda, ipvt, rdiag, wa, j, k)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        integer(ip), intent(in) :: lda !! leading dimension of a, >= m
        real(wp), intent(inout) :: a(lda, n) !! the matrix
        integer(ip), intent(inout) :: ipvt(n) !! P: where each column came from
        real(wp), intent(inout) :: rdiag(n) !! norms of what remains of each column; that of place j is not kept
        real(wp), intent(inout) :: wa(n) !! norms that the downdating started from; likewise
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

end module minpack_reflect
