!> Whether the columns of a triangle are independent, in whatever units they are.
module minpack_column_rank
    use minpack_constants, only: largest
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    use minpack_qrfac, only: qrfac
    implicit none
    private
    public :: column_rank

contains

    !> How many columns of R are independent beyond rounding; 0 where R is not finite.
    !>
    !> The columns are brought to length 1 and factored once more, with pivoting: |r_jj| is then the sine of the
    !> angle between a column and those before it. Neither the units of a parameter nor a pivot that these units
    !> have chosen can hide a dependence.
    pure subroutine column_rank(n, r, ldr, tol, rank, a, ipvt, rdiag, acnorm, wa) bind(c, name="column_rank_")
        integer(ip), intent(in) :: n !! order
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        real(wp), intent(in) :: tol !! sines up to this count as zero
        integer(ip), intent(out) :: rank !! the result
        real(wp), intent(out) :: a(n, n) !! scratch: the columns at length 1
        integer(ip), intent(out) :: ipvt(n) !! scratch: their order
        real(wp), intent(out) :: rdiag(n), acnorm(n), wa(n) !! scratch

        integer(ip), parameter :: pivot = 1
        real(wp) :: norm
        integer(ip) :: j

        rank = 0
        a = 0
        do j = 1, n
            norm = enorm(j, r(1, j))
            if (.not. norm <= largest) return
            if (norm > 0) a(1:j, j) = r(1:j, j)/norm
        end do
        call qrfac(n, n, a, n, pivot, ipvt, n, rdiag, acnorm, wa)
        do j = 1, n
            if (.not. abs(rdiag(j)) > tol) exit
            rank = j
        end do
    end subroutine column_rank

end module minpack_column_rank
