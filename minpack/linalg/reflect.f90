!> Householder reflections, as qrfac stores them.
module minpack_reflect
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: reflect

contains

    !> a <- (I - v vᵀ/v₁) a, v being the reflector of length m as qrfac leaves it (v₁ /= 0).
    !>
    !> Four columns share one read of v, and their dot products don't wait for one another; the sum of each
    !> column stays in the order of its rows, so that no bit depends on how many columns there are.
    pure subroutine reflect(m, n, v, a, lda)
        integer(ip), intent(in) :: m !! rows
        integer(ip), intent(in) :: n !! columns
        real(wp), intent(in) :: v(m) !! the reflector
        integer(ip), intent(in) :: lda !! leading dimension, >= m
        real(wp), intent(inout) :: a(lda, *) !! the n columns to reflect

        integer(ip), parameter :: width = 4
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
        integer(ip), intent(in) :: m !! components
        real(wp), intent(in) :: c !! the multiple
        real(wp), intent(in) :: v(m)
        real(wp), intent(inout) :: y(m)

        integer(ip) :: i

        do i = 1, m
            y(i) = y(i) - c*v(i)
        end do
    end subroutine subtract_multiple

end module minpack_reflect
