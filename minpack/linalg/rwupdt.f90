!> A QR factorization that grows by one row.
module minpack_rwupdt
    use minpack_givens, only: find_rotation
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: rwupdt

contains

    !> Rotates the row w, with right side alpha, into the triangle R with right side b.
    !>
    !> Row k of the triangle and w are turned by (cos(k), sin(k)); entry j of w meets the first j - 1 rotations
    !> as it comes, then defines the j-th.
    pure subroutine rwupdt(n, r, ldr, w, b, alpha, cos, sin) bind(c, name="rwupdt_")
        integer(ip), intent(in) :: n !! order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(inout) :: r(ldr, n) !! R in the upper triangle; the rest is not touched
        real(wp), intent(in) :: w(n) !! the row to add
        real(wp), intent(inout) :: b(n) !! first n entries of Qᵀb
        real(wp), intent(inout) :: alpha !! right side of the row; on return what is left of it
        real(wp), intent(out) :: cos(n) !! cosines of the rotations
        real(wp), intent(out) :: sin(n) !! sines of the rotations

        real(wp) :: entry, stays
        integer(ip) :: i, j

        do j = 1, n
            entry = w(j)
            do i = 1, j - 1
                stays = r(i, j)
                r(i, j) = cos(i)*stays + sin(i)*entry
                entry = -sin(i)*stays + cos(i)*entry
            end do
            if (entry == 0) then
                cos(j) = 1
                sin(j) = 0
                cycle
            end if
            call find_rotation(r(j, j), entry, cos(j), sin(j))
            r(j, j) = cos(j)*r(j, j) + sin(j)*entry
            stays = b(j)
            b(j) = cos(j)*stays + sin(j)*alpha
            alpha = -sin(j)*stays + cos(j)*alpha
        end do
    end subroutine rwupdt

end module minpack_rwupdt
