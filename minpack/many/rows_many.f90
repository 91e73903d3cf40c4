!> Moves data between arrays with a row for each fit and those with the fit's number fastest.
module minpack_rows_many
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: gather_places, place_rows, take_rows

contains

    !> Puts rows of some fits into their places.
    pure subroutine place_rows(m, count, w, all, rows, numbers, places, to) bind(c, name="place_rows_")
        integer(ip), intent(in) :: m !! numbers of a row
        integer(ip), intent(in) :: count !! rows that are placed
        integer(ip), intent(in) :: w, all !! places, and rows in all
        real(wp), intent(in) :: rows(m, all)
        integer(ip), intent(in) :: numbers(count), places(count) !! which row goes where, from 0
        real(wp), intent(inout) :: to(w, m)

        integer(ip) :: i, k, p

        do i = 1, count
            p = places(i) + 1
            do k = 1, m
                to(p, k) = rows(k, numbers(i) + 1)
            end do
        end do
    end subroutine place_rows

    !> Takes rows of some fits out of their places.
    pure subroutine take_rows(m, count, w, all, from, places, numbers, rows) bind(c, name="take_rows_")
        integer(ip), intent(in) :: m, count, w, all !! as above
        real(wp), intent(in) :: from(w, m)
        integer(ip), intent(in) :: places(count), numbers(count) !! as above
        real(wp), intent(inout) :: rows(m, all)

        integer(ip) :: i, k

        do i = 1, count
            do k = 1, m
                rows(k, numbers(i) + 1) = from(places(i) + 1, k)
            end do
        end do
    end subroutine take_rows

    !> Takes out what is in some places, which then lie one beside the other.
    pure subroutine gather_places(m, count, w, all, places, to) bind(c, name="gather_places_")
        integer(ip), intent(in) :: m, count, w !! rows, places that are taken, and places in all
        real(wp), intent(in) :: all(w, m)
        integer(ip), intent(in) :: places(count) !! from 0
        real(wp), intent(inout) :: to(count, m)

        integer(ip) :: i, k

        do k = 1, m
            do i = 1, count
                to(i, k) = all(places(i) + 1, k)
            end do
        end do
    end subroutine gather_places

end module minpack_rows_many
