!> The factorization that an iteration starts from.
module minpack_lm_factor
    use minpack_constants, only: largest
    use minpack_kinds, only: ip, wp
    use minpack_qrfac, only: qrfac
    use minpack_reflect, only: reflect
    implicit none
    private
    public :: lm_factor

contains

    !> J P = Q R with column pivoting, and the first n entries of Qᵀf. A Jacobian that is not finite, as its
    !> column norms show, stays as it is.
    pure subroutine lm_factor(m, n, fjac, ldfjac, ipvt, f, qtf, acnorm, rdiag, wa) bind(c, name="lm_factor_")
        integer(ip), intent(in) :: m, n !! rows and columns
        integer(ip), intent(in) :: ldfjac !! leading dimension, >= m
        real(wp), intent(inout) :: fjac(ldfjac, n) !! J; on return R in the upper triangle, below it what is
                                                   !! left of the reflectors
        integer(ip), intent(out) :: ipvt(n) !! P
        real(wp), intent(inout) :: f(m) !! the residuals; on return Qᵀf
        real(wp), intent(out) :: qtf(n) !! its first n entries
        real(wp), intent(out) :: acnorm(n) !! norms of the columns of J
        real(wp), intent(out) :: rdiag(n), wa(n) !! scratch

        integer(ip), parameter :: pivot = 1
        integer(ip) :: j

        call qrfac(m, n, fjac, ldfjac, pivot, ipvt, n, rdiag, acnorm, wa)
        if (.not. all(acnorm <= largest)) return
        do j = 1, n
            if (fjac(j, j) /= 0) call reflect(m - j + 1, 1_ip, fjac(j, j), f(j), m)
            fjac(j, j) = rdiag(j)
            qtf(j) = f(j)
        end do
    end subroutine lm_factor

end module minpack_lm_factor
