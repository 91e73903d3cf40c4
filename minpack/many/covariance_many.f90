!> Covariances of the parameters of many fits.
module minpack_covariance_many
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: covariance_many

contains

    !> variance (RᵀR)⁻¹ of each fit.
    pure subroutine covariance_many(n, w, r, variances, cov) bind(c, name="covariance_many_")
        integer(ip), intent(in) :: n, w !! parameters and fits
        real(wp), intent(in) :: r(n*(n + 1)/2, w) !! R, packed by columns; one fit after the other
        real(wp), intent(in) :: variances(w) !! of the residuals
        real(wp), intent(out) :: cov(n, n, w)

        real(wp) :: inverse(n, n)
        integer(ip) :: i, j, k

        do k = 1, w
            call invert(n, r(1, k), inverse)
            do j = 1, n
                do i = 1, j
                    cov(i, j, k) = variances(k)*dot_product(inverse(i, j:n), inverse(j, j:n))
                    cov(j, i, k) = cov(i, j, k)
                end do
            end do
        end do
    end subroutine covariance_many

    !> R⁻¹, above its diagonal and on it.
    pure subroutine invert(n, r, inverse)
        integer(ip), intent(in) :: n !! order
        real(wp), intent(in) :: r(n*(n + 1)/2) !! R
        real(wp), intent(out) :: inverse(n, n)

        integer(ip) :: i, j, k
        real(wp) :: total

        do j = 1, n
            inverse(j, j) = 1/r(j*(j + 1)/2)
            do i = 1, j - 1
                total = 0
                do k = i, j - 1
                    total = total + inverse(i, k)*r(k + j*(j - 1)/2)
                end do
                inverse(i, j) = -total*inverse(j, j)
            end do
        end do
    end subroutine invert

end module minpack_covariance_many
