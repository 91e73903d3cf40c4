!> The plane rotation that both qrsolv and rwupdt are made of.
module minpack_givens
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: find_rotation, rotate

contains

    !> c and s with c² + s² = 1 and -s a + c b = 0, for b /= 0. No square of an entry is ever formed.
    pure subroutine find_rotation(a, b, c, s)
        real(wp), intent(in) :: a !! the entry that stays
        real(wp), intent(in) :: b !! the entry to eliminate, not 0
        real(wp), intent(out) :: c !! the cosine
        real(wp), intent(out) :: s !! the sine

        real(wp) :: tangent, cotangent

        if (abs(a) < abs(b)) then
            cotangent = a/b
            s = 0.5_wp/sqrt(0.25_wp + 0.25_wp*cotangent**2)
            c = s*cotangent
        else
            tangent = b/a
            c = 0.5_wp/sqrt(0.25_wp + 0.25_wp*tangent**2)
            s = c*tangent
        end if
    end subroutine find_rotation

    !> Turns two vectors: (a, b) <- (c a + s b, -s a + c b), component by component.
    pure subroutine rotate(n, c, s, a, b)
        integer(ip), intent(in) :: n !! length of both vectors
        real(wp), intent(in) :: c !! the cosine
        real(wp), intent(in) :: s !! the sine
        real(wp), intent(inout) :: a(n), b(n) !! the two vectors

        real(wp) :: turned
        integer(ip) :: i

        do i = 1, n
            turned = c*a(i) + s*b(i)
            b(i) = -s*a(i) + c*b(i)
            a(i) = turned
        end do
    end subroutine rotate

end module minpack_givens
