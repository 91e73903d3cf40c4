!> Trial steps of many fits at once, one fit to each lane of a vector.
!>
!> What lmpar does for one fit is done here for `lanes` fits side by side: Moré's iteration for λ, of which a fit takes as many
!> rounds as it needs alone. Triangles are packed as in factor_across.F90.
!>
!> This file is compiled for several instruction sets (minpack/meson.build). Every fit is computed by itself, operation by
!> operation, and nothing is fused: the results are the same to the bit in all of them, and whatever other fits there are.
module & ! meson, which has not preprocessed this, is not to expect a module of that name
    STEP_MODULE
    use minpack_constants, only: bound_slack, least_fraction, max_trials, sharpest_cut, smallest_normal
    use minpack_kinds, only: ip, wp
    implicit none
    private
    public :: step_across

    integer(ip), parameter :: lanes = 8_ip !! fits of a block, as in columns_kernel.F90

contains

    !> The trial steps of a block of fits: λ and p as lmpar has them, and what the linear model says of p.
    pure subroutine step_across(n, r, qtf, diag, delta, par, p, pnorm, undamped, s, z, e, y)
        integer(ip), intent(in) :: n !! parameters
        real(wp), intent(in) :: r(lanes, *), qtf(lanes, n), diag(lanes, n), delta(lanes) !! R, Qᵀf, D, Δ
        real(wp), intent(inout) :: par(lanes) !! estimate of λ; on return λ
        real(wp), intent(out) :: p(lanes, n), pnorm(lanes) !! x(λ), which is minus the step; ‖D x(λ)‖
        real(wp), intent(out) :: undamped(lanes) !! ‖J x(λ)‖
        real(wp), intent(inout) :: s(lanes, *), z(lanes, n), e(lanes, n), y(lanes, n) !! scratch: S as R, and vectors

        real(wp) :: gradient(lanes), lower(lanes), upper(lanes), phi(lanes), previous(lanes), length(lanes), sums(lanes)
        logical :: searches(lanes)
        integer(ip) :: i, j, trial

        z = qtf
        call solve_upper(n, r, z)
        p = z
        call measure(n, diag, p, pnorm)
        phi = pnorm - delta
        searches = phi > bound_slack*delta
        par = merge(par, 0.0_wp, searches)
        if (any(searches)) then
            call length_gradient(n, diag, p, pnorm, y)
            call solve_lower(n, r, y)
            call measure_plain(n, y, length)
            lower = ((phi/delta)/length)/length
            gradient = 0
            do j = 1, n
                sums = 0
                do i = 1, j
                    sums = sums + r(:, at(i, j))*qtf(:, i)
                end do
                gradient = gradient + (sums/diag(:, j))**2
            end do
            gradient = sqrt(gradient)
            upper = gradient/delta
            upper = merge(smallest_normal/min(delta, sharpest_cut), upper, upper == 0)
            sums = min(max(par, lower), upper)
            sums = merge(gradient/pnorm, sums, sums == 0)
            par = merge(sums, par, searches)
            do trial = 1, max_trials
                sums = merge(max(smallest_normal, least_fraction*upper), par, par == 0)
                par = merge(sums, par, searches)
                call solve_damped(n, r, qtf, diag, par, s, z, e)
                p = z ! what it was where λ is found
                call measure(n, diag, p, pnorm)
                previous = phi
                phi = pnorm - delta
                searches = searches .and. .not. (abs(phi) <= bound_slack*delta &
                                                 .or. (lower == 0 .and. phi <= previous .and. previous < 0))
                if (trial == max_trials .or. .not. any(searches)) exit
                call length_gradient(n, diag, p, pnorm, y)
                call solve_lower(n, s, y)
                call measure_plain(n, y, length)
                lower = merge(max(lower, par), lower, phi > 0)
                upper = merge(min(upper, par), upper, phi < 0)
                par = merge(max(lower, par + ((phi/delta)/length)/length), par, searches)
            end do
        end if
        undamped = 0
        do i = 1, n
            sums = 0
            do j = i, n
                sums = sums + r(:, at(i, j))*p(:, j)
            end do
            undamped = undamped + sums*sums
        end do
        undamped = sqrt(undamped)
    end subroutine step_across

    !> x(λ), and S: the rows of sqrt(λ) D folded into R by plane rotations.
    pure subroutine solve_damped(n, r, qtf, diag, par, s, z, e)
        integer(ip), intent(in) :: n !! as in step_across, like all that follows
        real(wp), intent(in) :: r(lanes, *), qtf(lanes, n), diag(lanes, n), par(lanes)
        real(wp), intent(inout) :: s(lanes, *), z(lanes, n), e(lanes, n)

        real(wp) :: c(lanes), h(lanes), q(lanes), root(lanes), sn(lanes), t(lanes)
        integer(ip) :: i, j, k

        s(:, 1:at(n, n)) = r(:, 1:at(n, n))
        z = qtf
        root = sqrt(par)
        do j = 1, n
            e(:, j) = root*diag(:, j)
            e(:, j + 1:) = 0
            q = 0
            do k = j, n
                h = sqrt(s(:, at(k, k))**2 + e(:, k)**2)
                c = s(:, at(k, k))/h
                sn = e(:, k)/h
                s(:, at(k, k)) = h
                t = c*z(:, k) + sn*q
                q = c*q - sn*z(:, k)
                z(:, k) = t
                do i = k + 1, n
                    t = c*s(:, at(k, i)) + sn*e(:, i)
                    e(:, i) = c*e(:, i) - sn*s(:, at(k, i))
                    s(:, at(k, i)) = t
                end do
            end do
        end do
        call solve_upper(n, s, z)
    end subroutine solve_damped

    !> R⁻¹ z.
    pure subroutine solve_upper(n, r, z)
        integer(ip), intent(in) :: n
        real(wp), intent(in) :: r(lanes, *)
        real(wp), intent(inout) :: z(lanes, n)

        integer(ip) :: i, j

        do j = n, 1, -1
            z(:, j) = z(:, j)/r(:, at(j, j))
            do i = 1, j - 1
                z(:, i) = z(:, i) - r(:, at(i, j))*z(:, j)
            end do
        end do
    end subroutine solve_upper

    !> R⁻ᵀ y.
    pure subroutine solve_lower(n, r, y)
        integer(ip), intent(in) :: n
        real(wp), intent(in) :: r(lanes, *)
        real(wp), intent(inout) :: y(lanes, n)

        integer(ip) :: i, j

        do j = 1, n
            do i = 1, j - 1
                y(:, j) = y(:, j) - r(:, at(i, j))*y(:, i)
            end do
            y(:, j) = y(:, j)/r(:, at(j, j))
        end do
    end subroutine solve_lower

    !> ‖D p‖.
    pure subroutine measure(n, diag, p, length)
        integer(ip), intent(in) :: n
        real(wp), intent(in) :: diag(lanes, n), p(lanes, n)
        real(wp), intent(out) :: length(lanes)

        integer(ip) :: j

        length = 0
        do j = 1, n
            length = length + (diag(:, j)*p(:, j))**2
        end do
        length = sqrt(length)
    end subroutine measure

    !> ‖y‖.
    pure subroutine measure_plain(n, y, length)
        integer(ip), intent(in) :: n
        real(wp), intent(in) :: y(lanes, n)
        real(wp), intent(out) :: length(lanes)

        integer(ip) :: j

        length = 0
        do j = 1, n
            length = length + y(:, j)**2
        end do
        length = sqrt(length)
    end subroutine measure_plain

    !> The gradient of ‖D p‖.
    pure subroutine length_gradient(n, diag, p, length, y)
        integer(ip), intent(in) :: n
        real(wp), intent(in) :: diag(lanes, n), p(lanes, n), length(lanes)
        real(wp), intent(out) :: y(lanes, n)

        integer(ip) :: j

        do j = 1, n
            y(:, j) = diag(:, j)*(diag(:, j)*p(:, j)/length)
        end do
    end subroutine length_gradient

    !> The place of R(i, j).
    pure integer(ip) function at(i, j)
        integer(ip), intent(in) :: i, j

        at = i + j*(j - 1)/2
    end function at

end module STEP_MODULE
