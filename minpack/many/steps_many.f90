!> Where the models of many fits are evaluated for differences.
module minpack_steps_many
    use minpack_beside, only: beside, golden, least_weight
    use minpack_constants, only: largest, machine_precision
    use minpack_fates, only: goes_alone
    use minpack_fit_types, only: lm_fit
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: plan_many, rows_beside

    ! Values of `kind`.
    integer(ip), parameter :: forward = 1_ip, central = 2_ip, one_step = 0_ip

    !> Central steps are relative to the size of a parameter: its own, but no more than what changes the residuals by as much as they
    !> were at the start, and no less than this part of that (least_natural of careful.f90).
    real(wp), parameter :: least_size = 0.01_wp

contains

    !> The values of all parameters beside x.
    !>
    !> Forward steps are MINPACK's, and lead the other way where these leave the bounds; central ones are those that careful
    !> differences begin with (careful.f90), or longer where the rounding of the model is larger. Where the bounds leave no room, or a
    !> size is not known, steps are 0 and the fit goes alone.
    pure subroutine plan_many(n, w, count, places, kind, fits, x, acnorm, lower, upper, near, far, steps, fates) &
            bind(c, name="plan_many_")
        integer(ip), intent(in) :: n, w, count !! parameters, places, and fits that are planned for
        integer(ip), intent(in) :: places(count) !! theirs, from 0
        integer(ip), intent(in) :: kind !! 1, 2: forward, central differences; 0: one step along which all parameters change
        type(lm_fit), intent(inout) :: fits(w)
        real(wp), intent(in) :: x(w, n), acnorm(w, n) !! the iterates, norms of the columns of the last Jacobian
        real(wp), intent(in) :: lower(n), upper(n) !! bounds of all
        real(wp), intent(inout) :: near(count, n), far(count, n) !! values on one side of x, and on the other, or x
        real(wp), intent(inout) :: steps(count, n) !! the distance between the two
        integer(ip), intent(inout) :: fates(w)

        real(wp) :: at, natural, part, size, step
        integer(ip) :: i, j, p
        logical :: has_room

        part = 0
        do i = 1, count
            p = places(i) + 1
            if (kind == one_step) fits(p)%nfev = fits(p)%nfev + 1 ! where a Jacobian is given every evaluation counts
            if (kind == central) part = max(fits(p)%rounding/fits(p)%highest, machine_precision)**(1/3.0_wp)
            has_room = .true.
            do j = 1, n
                at = x(p, j)
                if (kind == forward) then
                    step = sqrt(machine_precision)*abs(at)
                    if (step == 0) step = sqrt(machine_precision)
                else
                    natural = fits(p)%highest/acnorm(p, j)
                    size = max(abs(at), merge(least_size, least_weight, kind == central)*natural)
                    size = min(size, natural)
                    if (kind == central) then
                        step = part*size
                    else
                        step = max(beside*size, sqrt(machine_precision*max(size, abs(at))*size)) &
                               *(1 - 0.5_wp*modulo(golden*(j - 1), 1.0_wp))
                    end if
                end if
                if (.not. step <= largest) has_room = .false.
                if (kind /= central .and. at + step > upper(j)) step = -step
                near(i, j) = at + step
                far(i, j) = merge(at - step, at, kind == central)
                if (min(near(i, j), far(i, j)) < lower(j) .or. max(near(i, j), far(i, j)) > upper(j)) has_room = .false.
                steps(i, j) = merge(step, near(i, j) - far(i, j), kind == forward)
            end do
            if (has_room) cycle
            near(i, :) = x(p, :)
            far(i, :) = x(p, :)
            steps(i, :) = 0
            fates(p) = goes_alone
        end do
    end subroutine plan_many

    !> The parameters of all points where the model is to be evaluated for some columns.
    pure subroutine rows_beside(n, w, count, places, before, columns, sides, x, near, far, rows) bind(c, name="rows_beside_")
        integer(ip), intent(in) :: n, w, count, places(count) !! as above
        integer(ip), intent(in) :: before, columns !! how many columns lie before the first of these, and how many there are
        integer(ip), intent(in) :: sides !! 1: near alone; 2: far, too
        real(wp), intent(in) :: x(w, n), near(count, n), far(count, n) !! as above
        real(wp), intent(inout) :: rows(count, columns, sides, n)

        integer(ip) :: c, i, j, side

        do j = 1, n
            do i = 1, count
                rows(i, 1, 1, j) = x(places(i) + 1, j)
            end do
            do side = 1, sides
                do c = 1, columns
                    if (side + c > 2) rows(:, c, side, j) = rows(:, 1, 1, j)
                end do
            end do
            c = j - before
            if (c < 1 .or. c > columns) cycle
            rows(:, c, 1, j) = near(:, j)
            if (sides == 2) rows(:, c, 2, j) = far(:, j)
        end do
    end subroutine rows_beside

end module minpack_steps_many
