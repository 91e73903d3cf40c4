!> Whether the columns of a triangle are independent, in whatever units they are.
!>
!> Every rank that the package gives follows this rule. The columns are scaled to length 1 and factored once more,
!> with pivoting on the largest that remains (Golub and Van Loan (2013), section 5.4.2): |r_jj| is then the sine of the
!> angle between a column and those before it. The first that is no larger than a tolerance counts as zero, and so do
!> all that follow (Stewart (1984)). The units of a parameter can't hide a dependence, and no other lengths of the
!> columns would give a condition number that is better by more than sqrt(n) (van der Sluis, Numerische Mathematik 14
!> (1969)). The tolerance is a relative error of each column by itself, as that of Householder's factorization is
!> (Higham (2002), theorem 19.4).
module minpack_column_rank
    use minpack_constants, only: largest
    use minpack_kinds, only: ip, wp
    use minpack_qrfac, only: qrfac
    use minpack_triangle, only: triangle_norms
    implicit none
    private
    public :: column_rank, leading_rank, unit_columns

contains

    !> How many columns of R are independent beyond rounding; 0 where R is not finite.
    pure subroutine column_rank(n, r, ldr, tol, rank, a, ipvt, rdiag, acnorm, wa) bind(c, name="column_rank_")
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        real(wp), intent(in) :: tol !! sines up to this count as zero
        integer(ip), intent(out) :: rank !! the rank
        real(wp), intent(out) :: a(n, n) !! scratch: the columns at length 1
        integer(ip), intent(out) :: ipvt(n) !! scratch: their order
        real(wp), intent(out) :: rdiag(n), acnorm(n), wa(n) !! scratch

        integer(ip), parameter :: pivot = 1_ip

        rank = 0
        call unit_columns(n, r, ldr, a, acnorm)
        if (.not. all(acnorm <= largest)) return
        call qrfac(n, n, a, n, pivot, ipvt, n, rdiag, acnorm, wa)
        rank = leading_rank(n, rdiag, tol)
    end subroutine column_rank

    !> The columns of R scaled to length 1, except columns of zeros, and how long they were. Where R is not finite, one
    !> of these lengths is not, and `a` is of no use.
    pure subroutine unit_columns(n, r, ldr, a, norms)
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        real(wp), intent(out) :: a(n, n) !! the columns, zeros below the diagonal
        real(wp), intent(out) :: norms(n) !! their lengths

        integer(ip) :: j

        a = 0
        call triangle_norms(n, r, ldr, norms)
        if (.not. all(norms <= largest)) return
        do j = 1, n
            if (norms(j) > 0) a(1:j, j) = r(1:j, j)/norms(j)
        end do
    end subroutine unit_columns

    !> How many pivots come before the first that counts as zero.
    pure function leading_rank(n, rdiag, tol) result(rank)
        integer(ip), intent(in) :: n !! how many there are
        real(wp), intent(in) :: rdiag(n) !! the pivots: the diagonal of R, of columns of length 1
        real(wp), intent(in) :: tol !! sines up to this count as zero
        integer(ip) :: rank

        integer(ip) :: j

        rank = 0
        do j = 1, n
            if (.not. abs(rdiag(j)) > tol) exit
            rank = j
        end do
    end function leading_rank

end module minpack_column_rank
