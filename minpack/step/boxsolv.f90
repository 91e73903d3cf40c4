!> The damped least-squares problem within bounds, from a triangle that is already there.
module minpack_boxsolv
    use minpack_constants, only: largest, machine_precision
    use minpack_enorm, only: enorm
    use minpack_kinds, only: ip, wp
    use minpack_qrsolv, only: qrsolv
    use minpack_reflect, only: find_reflector, reflect
    use minpack_triangle, only: add_product, gradient
    implicit none
    private
    public :: boxsolv

    !> Values of `side`: which of its bounds holds a variable.
    integer(ip), parameter, public :: at_lower = -1_ip, is_free = 0_ip, at_upper = 1_ip
    !> Block exchanges in a row that may fail to leave fewer variables on a wrong side, before the descent takes over.
    !> Rounds on average over 1500 random problems of tests/core/test_box.py: 6.3, 5.5, 5.3, 5.3 and 5.6 with 1, 2, 3, 5
    !> and 10. The solution is the same.
    integer(ip), parameter, public :: patience = 3_ip
    !> Solutions on a free set that the descent may take, as a multiple of n. 3000 random problems took 3 n at most: ten
    !> times more changes nothing, a tenth would leave some of them short of their solution.
    integer(ip), parameter, public :: descent_changes = 10_ip
    !> A gradient within so many ε of what rounding leaves of it has no sign. Of 3000 random problems the first-order
    !> conditions are met to 2e-15; with 100 to 2e-14, with 1 to 4e-16 in hardly more rounds, and with 0.1 in 3 % more.
    real(wp), parameter :: gradient_noise = 10.0_wp
    !> A point on the projected gradient is good enough where the model falls by this fraction of what the slope
    !> promises (Armijo's rule; see Bertsekas (1982)). It is where the descent begins: with 0.9 that takes 6.5 rounds on
    !> average rather than 5.1, with 0.01 as many.
    real(wp), parameter :: slope_fraction = 0.1_wp
    !> Halvings of the way along the projected gradient, at most: down to 1e-18 of it. 6 sufficed for all that was tried.
    integer(ip), parameter :: halvings = 60_ip

    !> Columns of the scratch `v`: several routines share them.
    integer(ip), parameter, public :: boxsolv_vectors = 4_ip

contains

    !> The p that minimizes ‖[R Pᵀ; M] p + [qtf; 0]‖, M = diag(mu), within lo <= p <= hi.
    !>
    !> Which variables are at a bound is guessed, and the guess is improved: all free variables whose solution lies
    !> outside go to the bound that they passed, and all held ones whose gradient points inwards become free, at
    !> once (L. F. Portugal, J. J. Júdice, L. N. Vicente, Mathematics of Computation 63 (1994)). That ends at the
    !> solution after some rounds, or runs in circles. Then, from a point on the projected gradient, variables
    !> change one by one, and the model falls all the while (C. L. Lawson, R. J. Hanson, "Solving Least Squares
    !> Problems" (1974), chapter 23; P. B. Stark, R. L. Parker, Computational Statistics 10 (1995)). Where that is
    !> cut short, p is no worse than where it began.
    !>
    !> On the free variables the solution is qrsolv's, from the columns of R that are theirs, made a triangle anew.
    !>
    !> | here | in the papers |
    !> | --- | --- |
    !> | `side`: is_free; at_lower or at_upper | F; G (Portugal and others). P; Z (Lawson and Hanson) |
    !> | `[R Pᵀ; M]`, `-[qtf; 0]`, `p` | A, b, x (Portugal and others). E, f, x (Lawson and Hanson) |
    !> | `g` of a held variable | y_G (Portugal and others). -w (Lawson and Hanson) |
    !> | `wrong`, `fewest` | the number of infeasibilities, and ninf, the least of it (Portugal and others) |
    !> | `tries`, `tries_left` | p_max and p: block exchanges still allowed without progress (Portugal and others) |
    !> | `z`, `fraction`, `blocking` | z, α, q (Lawson and Hanson) |
    pure subroutine boxsolv(n, r, ldr, ipvt, norms, mu, qtf, lo, hi, tries, changes, side, p, nfree, place, &
                            rounds, w, v) bind(c, name="boxsolv_")
        integer(ip), intent(in) :: n !! variables, and the order of R
        integer(ip), intent(in) :: ldr !! leading dimension of r, >= n
        real(wp), intent(in) :: r(ldr, n) !! R in the upper triangle
        integer(ip), intent(in) :: ipvt(n) !! P: column j of R belongs to variable ipvt(j)
        real(wp), intent(in) :: norms(n) !! norms of the columns of R Pᵀ, in the variables' order
        real(wp), intent(in) :: mu(n) !! diagonal of M, > 0
        real(wp), intent(in) :: qtf(n) !! first n entries of Qᵀf
        real(wp), intent(in) :: lo(n), hi(n) !! bounds, lo <= 0 <= hi, infinite where there are none
        integer(ip), intent(in) :: tries !! as `patience`; 0 for the descent alone
        integer(ip), intent(in) :: changes !! solutions on a free set that the descent may take
        integer(ip), intent(inout) :: side(n) !! at_lower, is_free or at_upper: a guess; on return as p is
        real(wp), intent(out) :: p(n) !! the solution
        integer(ip), intent(out) :: nfree !! how many variables are free
        integer(ip), intent(out) :: place(n, 2) !! columns of R that are free, nfree of them; scratch
        integer(ip), intent(out) :: rounds !! solutions on a free set that were needed
        real(wp), intent(out) :: w(n, n + 1) !! on return Sᵀ of qrsolv, order nfree, in the strict lower triangle
        real(wp), intent(out) :: v(n, boxsolv_vectors) !! the first column: diagonal of S; the others scratch

        real(wp) :: size
        integer(ip) :: fewest, i, tries_left, wrong

        do i = 1, n
            if (side(i) == at_lower .and. lo(i) < -largest) side(i) = is_free
            if (side(i) == at_upper .and. hi(i) > largest) side(i) = is_free
            if (hi(i) <= lo(i)) side(i) = at_lower
        end do
        size = enorm(n, qtf)

        rounds = 0
        nfree = 0
        fewest = n + 1
        tries_left = tries
        do while (tries_left > 0)
            rounds = rounds + 1
            call hold(n, lo, hi, side, p)
            call solve_free(n, r, ldr, ipvt, mu, qtf, side, p, nfree, place, w, v(1, 1), v(1, 2), v(1, 3), v(1, 4))
            call move_free(n, nfree, place, ipvt, v(1, 2), p)
            call model_gradient(n, r, ldr, ipvt, mu, qtf, p, v(1, 3), v(1, 4))
            call exchange(n, norms, mu, size, lo, hi, v(1, 4), p, side, wrong)
            if (wrong == 0) return
            tries_left = tries_left - 1
            if (wrong < fewest) tries_left = tries
            fewest = min(fewest, wrong)
        end do

        call follow_gradient(n, r, ldr, ipvt, norms, mu, qtf, lo, hi, p, v(1, 2), v(1, 3), v(1, 4))
        call descend(n, r, ldr, ipvt, norms, mu, qtf, size, lo, hi, changes, side, p, nfree, place, &
                     rounds, w, v)
    end subroutine boxsolv

    !> Puts the variables that are held where they are held, and the others to 0.
    pure subroutine hold(n, lo, hi, side, p)
        integer(ip), intent(in) :: n !! variables
        real(wp), intent(in) :: lo(n), hi(n) !! bounds
        integer(ip), intent(in) :: side(n) !! which of them holds
        real(wp), intent(out) :: p(n) !! where the variables are

        integer(ip) :: i

        do i = 1, n
            p(i) = merge(lo(i), merge(hi(i), 0.0_wp, side(i) == at_upper), side(i) == at_lower)
        end do
    end subroutine hold

    !> The solution on the free variables, in the order of R's columns, while the others stay where p has them.
    pure subroutine solve_free(n, r, ldr, ipvt, mu, qtf, side, p, nfree, place, w, sdiag, z, mu_free, wa)
        integer(ip), intent(in) :: n, ldr, ipvt(n)
        real(wp), intent(in) :: r(ldr, n), mu(n), qtf(n) !! the problem, as boxsolv has it
        integer(ip), intent(in) :: side(n) !! which variables are free
        real(wp), intent(in) :: p(n) !! where the others are held
        integer(ip), intent(out) :: nfree !! how many variables are free; where none is, what follows is of no use
        integer(ip), intent(out) :: place(n, 2) !! their columns of R; 1, ..., nfree, for qrsolv
        real(wp), intent(out) :: w(n, n + 1) !! their triangle R above, Sᵀ below the diagonal; column nfree + 1: the
                                             !! right side
        real(wp), intent(out) :: sdiag(n) !! diagonal of S, nfree entries
        real(wp), intent(out) :: z(n) !! the solution, nfree entries
        real(wp), intent(out) :: mu_free(n), wa(n) !! scratch

        integer(ip) :: i, j, k

        nfree = 0
        do j = 1, n
            if (side(ipvt(j)) /= is_free) cycle
            nfree = nfree + 1
            place(nfree, 1) = j
            place(nfree, 2) = nfree
            mu_free(nfree) = mu(ipvt(j))
            do i = 1, j
                w(i, nfree) = r(i, j)
            end do
        end do
        if (nfree == 0) return

        w(:, nfree + 1) = qtf
        do j = 1, n
            if (side(ipvt(j)) == is_free) cycle
            do i = 1, j
                w(i, nfree + 1) = w(i, nfree + 1) + r(i, j)*p(ipvt(j))
            end do
        end do

        do k = 1, nfree
            call make_triangular(n, nfree, w, k, place(k, 1))
        end do
        call qrsolv(nfree, w, n, place(1, 2), mu_free, w(1, nfree + 1), z, sdiag, wa)
        do k = 1, nfree
            z(k) = -z(k)
        end do
    end subroutine solve_free

    !> Reflects what column k has below the diagonal, down to row `last`, into the diagonal.
    !>
    !> Columns that were taken out leave steps in the triangle; a reflection is as long as the step is high.
    pure subroutine make_triangular(n, nfree, w, k, last)
        integer(ip), intent(in) :: n !! rows
        integer(ip), intent(in) :: nfree !! columns before the right side
        real(wp), intent(inout) :: w(n, n + 1) !! the columns; those before k are a triangle already
        integer(ip), intent(in) :: k !! the column
        integer(ip), intent(in) :: last !! the row of its last entry

        real(wp) :: diagonal

        if (last == k) return
        call find_reflector(last - k + 1, w(k, k), diagonal)
        if (diagonal /= 0) call reflect(last - k + 1, nfree - k + 1, w(k, k), w(k, k + 1), n)
        w(k, k) = diagonal
    end subroutine make_triangular

    !> Takes the solution on the free variables into p.
    pure subroutine move_free(n, nfree, place, ipvt, z, p)
        integer(ip), intent(in) :: n !! variables
        integer(ip), intent(in) :: nfree !! free ones
        integer(ip), intent(in) :: place(nfree) !! their columns of R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: z(nfree) !! the solution
        real(wp), intent(inout) :: p(n) !! where the variables are

        integer(ip) :: k

        do k = 1, nfree
            p(ipvt(place(k))) = z(k)
        end do
    end subroutine move_free

    !> Half the gradient of the model at p.
    pure subroutine model_gradient(n, r, ldr, ipvt, mu, qtf, p, rest, g)
        integer(ip), intent(in) :: n, ldr, ipvt(n)
        real(wp), intent(in) :: r(ldr, n), mu(n), qtf(n) !! the problem, as boxsolv has it
        real(wp), intent(in) :: p(n) !! where
        real(wp), intent(out) :: rest(n) !! R Pᵀ p + qtf
        real(wp), intent(out) :: g(n) !! the gradient, in the variables' order

        rest = qtf
        call add_product(n, r, ldr, ipvt, p, rest)
        call gradient(n, r, ldr, ipvt, rest, g)
        g = g + (mu*p)*mu
    end subroutine model_gradient

    !> Every variable that is on a wrong side goes to the right one.
    pure subroutine exchange(n, norms, mu, size, lo, hi, g, p, side, wrong)
        integer(ip), intent(in) :: n !! variables
        real(wp), intent(in) :: norms(n) !! norms of the columns of R Pᵀ
        real(wp), intent(in) :: mu(n) !! diagonal of M
        real(wp), intent(in) :: size !! ‖qtf‖
        real(wp), intent(in) :: lo(n), hi(n) !! bounds
        real(wp), intent(in) :: g(n) !! the gradient at p
        real(wp), intent(in) :: p(n) !! where the variables are
        integer(ip), intent(inout) :: side(n) !! which bounds hold them
        integer(ip), intent(out) :: wrong !! how many were on a wrong side

        integer(ip) :: i

        wrong = 0
        do i = 1, n
            if (side(i) == is_free) then
                if (p(i) < lo(i)) then
                    side(i) = at_lower
                    wrong = wrong + 1
                else if (p(i) > hi(i)) then
                    side(i) = at_upper
                    wrong = wrong + 1
                end if
            else if (inward_slope(norms(i), mu(i), size, lo(i), hi(i), g(i), side(i)) > 0) then
                side(i) = is_free
                wrong = wrong + 1
            end if
        end do
    end subroutine exchange

    !> How steeply the model falls from a bound inwards, per unit of the column's length; 0 where that is rounding.
    pure real(wp) function inward_slope(norm, mu, size, lo, hi, g, side)
        real(wp), intent(in) :: norm !! norm of the variable's column
        real(wp), intent(in) :: mu !! its entry of M
        real(wp), intent(in) :: size !! ‖qtf‖
        real(wp), intent(in) :: lo, hi !! its bounds
        real(wp), intent(in) :: g !! its gradient
        integer(ip), intent(in) :: side !! at_lower or at_upper

        inward_slope = g*side/max(norm, mu)
        if (inward_slope <= gradient_noise*machine_precision*size .or. hi <= lo) inward_slope = 0
    end function inward_slope

    !> A point on the projected gradient where the model is sufficiently lower than at 0; 0 where there is none.
    !>
    !> The gradient is scaled by the diagonal of RᵀR + M².
    pure subroutine follow_gradient(n, r, ldr, ipvt, norms, mu, qtf, lo, hi, p, change, direction, g)
        integer(ip), intent(in) :: n, ldr, ipvt(n)
        real(wp), intent(in) :: r(ldr, n), norms(n), mu(n), qtf(n) !! the problem, as boxsolv has it
        real(wp), intent(in) :: lo(n), hi(n) !! bounds
        real(wp), intent(out) :: p(n) !! the point
        real(wp), intent(out) :: change(n), direction(n), g(n) !! scratch

        real(wp) :: length, slope, square
        integer(ip) :: i, trial

        p = 0
        call model_gradient(n, r, ldr, ipvt, mu, qtf, p, change, g)
        do i = 1, n
            direction(i) = -(g(i)/max(norms(i), mu(i)))/max(norms(i), mu(i))
            if (direction(i) < 0 .and. lo(i) >= 0 .or. direction(i) > 0 .and. hi(i) <= 0) direction(i) = 0
        end do
        call model(n, r, ldr, ipvt, mu, qtf, direction, change, slope, square)
        if (.not. square > 0) return
        length = -slope/square
        do trial = 1, halvings
            p = min(max(length*direction, lo), hi)
            call model(n, r, ldr, ipvt, mu, qtf, p, change, slope, square)
            if (2*slope + square <= slope_fraction*2*slope) return
            length = 0.5_wp*length
        end do
        p = 0
    end subroutine follow_gradient

    !> The model at p, less what it is at 0, is 2 slope + square.
    pure subroutine model(n, r, ldr, ipvt, mu, qtf, p, change, slope, square)
        integer(ip), intent(in) :: n, ldr, ipvt(n)
        real(wp), intent(in) :: r(ldr, n), mu(n), qtf(n) !! the problem, as boxsolv has it
        real(wp), intent(in) :: p(n) !! where
        real(wp), intent(out) :: change(n) !! R Pᵀ p
        real(wp), intent(out) :: slope !! its product with qtf
        real(wp), intent(out) :: square !! ‖[R Pᵀ; M] p‖²

        integer(ip) :: i

        change = 0
        call add_product(n, r, ldr, ipvt, p, change)
        slope = 0
        square = 0
        do i = 1, n
            slope = slope + change(i)*qtf(i)
            square = square + change(i)**2 + (mu(i)*p(i))**2
        end do
    end subroutine model

    !> From a feasible p to the solution, one variable at a time.
    pure subroutine descend(n, r, ldr, ipvt, norms, mu, qtf, size, lo, hi, changes, side, p, nfree, place, &
                            rounds, w, v)
        integer(ip), intent(in) :: n, ldr, ipvt(n)
        real(wp), intent(in) :: r(ldr, n), norms(n), mu(n), qtf(n) !! the problem, as boxsolv has it
        real(wp), intent(in) :: size !! ‖qtf‖
        real(wp), intent(in) :: lo(n), hi(n) !! bounds
        integer(ip), intent(in) :: changes !! solutions that it may take
        integer(ip), intent(out) :: side(n) !! which bounds hold p
        real(wp), intent(inout) :: p(n) !! a point within the bounds; on return the solution
        integer(ip), intent(inout) :: nfree, place(n, 2) !! free variables and their columns; kept where changes is 0
        integer(ip), intent(inout) :: rounds !! solutions so far
        real(wp), intent(inout) :: w(n, n + 1), v(n, boxsolv_vectors) !! as boxsolv has them; likewise

        integer(ip) :: blocking, freed, i, round
        real(wp) :: fraction

        do i = 1, n
            side(i) = is_free
            if (p(i) >= hi(i)) side(i) = at_upper
            if (p(i) <= lo(i)) side(i) = at_lower
        end do

        freed = 0
        do round = 1, changes
            rounds = rounds + 1
            call solve_free(n, r, ldr, ipvt, mu, qtf, side, p, nfree, place, w, v(1, 1), v(1, 2), v(1, 3), v(1, 4))
            call find_block(n, nfree, place, ipvt, v(1, 2), lo, hi, p, fraction, blocking)
            if (blocking == 0) then
                call move_free(n, nfree, place, ipvt, v(1, 2), p)
                call model_gradient(n, r, ldr, ipvt, mu, qtf, p, v(1, 3), v(1, 4))
                call find_steepest(n, norms, mu, size, lo, hi, v(1, 4), side, freed)
                if (freed == 0) return
                side(freed) = is_free
            else
                call move_towards(n, nfree, place, ipvt, v(1, 2), fraction, blocking, lo, hi, p, side)
                if (blocking == freed .and. fraction <= 0) return ! its gradient was rounding
            end if
        end do
    end subroutine descend

    !> What fraction of the way p can go towards the solution on the free variables, and which variable's bound ends it.
    pure subroutine find_block(n, nfree, place, ipvt, z, lo, hi, p, fraction, blocking)
        integer(ip), intent(in) :: n !! variables
        integer(ip), intent(in) :: nfree !! free ones
        integer(ip), intent(in) :: place(nfree) !! their columns of R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: z(nfree) !! the solution
        real(wp), intent(in) :: lo(n), hi(n) !! bounds
        real(wp), intent(in) :: p(n) !! where the variables are
        real(wp), intent(out) :: fraction !! of the way, 1 where nothing is in it
        integer(ip), intent(out) :: blocking !! the variable, or 0

        real(wp) :: bound
        integer(ip) :: i, k

        fraction = 1
        blocking = 0
        do k = 1, nfree
            i = ipvt(place(k))
            if (z(k) >= lo(i) .and. z(k) <= hi(i)) cycle
            bound = merge(lo(i), hi(i), z(k) < lo(i))
            if (blocking /= 0 .and. (bound - p(i))/(z(k) - p(i)) >= fraction) cycle
            fraction = (bound - p(i))/(z(k) - p(i))
            blocking = i
        end do
    end subroutine find_block

    !> Goes that fraction of the way, and holds the variable that ends it.
    pure subroutine move_towards(n, nfree, place, ipvt, z, fraction, blocking, lo, hi, p, side)
        integer(ip), intent(in) :: n !! variables
        integer(ip), intent(in) :: nfree !! free ones
        integer(ip), intent(in) :: place(nfree) !! their columns of R
        integer(ip), intent(in) :: ipvt(n) !! P
        real(wp), intent(in) :: z(nfree) !! the solution
        real(wp), intent(in) :: fraction !! of the way
        integer(ip), intent(in) :: blocking !! the variable that ends it
        real(wp), intent(in) :: lo(n), hi(n) !! bounds
        real(wp), intent(inout) :: p(n) !! where the variables are
        integer(ip), intent(inout) :: side(n) !! which bounds hold them

        integer(ip) :: i, k

        do k = 1, nfree
            i = ipvt(place(k))
            if (i == blocking) then
                side(i) = merge(at_lower, at_upper, z(k) < lo(i))
                p(i) = merge(lo(i), hi(i), z(k) < lo(i))
            else
                p(i) = min(max(p(i) + fraction*(z(k) - p(i)), lo(i)), hi(i))
            end if
        end do
    end subroutine move_towards

    !> The variable whose bound the model falls away from most steeply; 0 where there is none.
    pure subroutine find_steepest(n, norms, mu, size, lo, hi, g, side, steepest)
        integer(ip), intent(in) :: n !! variables
        real(wp), intent(in) :: norms(n) !! norms of the columns of R Pᵀ
        real(wp), intent(in) :: mu(n) !! diagonal of M
        real(wp), intent(in) :: size !! ‖qtf‖
        real(wp), intent(in) :: lo(n), hi(n) !! bounds
        real(wp), intent(in) :: g(n) !! the gradient
        integer(ip), intent(in) :: side(n) !! which bounds hold the variables
        integer(ip), intent(out) :: steepest !! the variable

        real(wp) :: most, slope
        integer(ip) :: i

        most = 0
        steepest = 0
        do i = 1, n
            if (side(i) == is_free) cycle
            slope = inward_slope(norms(i), mu(i), size, lo(i), hi(i), g(i), side(i))
            if (slope <= most) cycle
            most = slope
            steepest = i
        end do
    end subroutine find_steepest

end module minpack_boxsolv
