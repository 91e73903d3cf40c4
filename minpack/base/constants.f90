!> Machine constants and the tuning numbers of the method.
!>
!> Each tuning number of the iteration is the one of J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and
!> theory" (1978), section numbers behind it, as MINPACK-1 (ANL-80-74, 1980) uses it.
module minpack_constants
    use minpack_kinds, only: ip, wp
    implicit none
    private

    real(wp), parameter, public :: machine_precision = epsilon(1.0_wp) !! ε
    real(wp), parameter, public :: smallest_normal = tiny(1.0_wp) !! τ
    real(wp), parameter, public :: largest = huge(1.0_wp)

    !> A step is accepted where actual over predicted reduction reaches this (section 4).
    real(wp), parameter, public :: accept_ratio = 1.0e-4_wp
    !> Up to this ratio the step bound shrinks (section 4).
    real(wp), parameter, public :: shrink_ratio = 0.25_wp
    !> From this ratio on, or after a Gauss-Newton step, the bound becomes twice the step (section 4).
    real(wp), parameter, public :: grow_ratio = 0.75_wp
    !> A convergence test on reductions also wants a ratio of no more than this (section 8).
    real(wp), parameter, public :: credible_ratio = 2.0_wp
    !> The step bound shrinks by no less than this factor at once; a residual norm that grows by more
    !> than its inverse counts as total failure of the step (section 4).
    real(wp), parameter, public :: sharpest_cut = 0.1_wp

    !> lmpar is content where ‖D p‖ is within this fraction of Δ (section 5). NIST's 54 fits with a Jacobian take 3152
    !> evaluations, and 35 reach 6 digits; with 1 it is 5257 and 31, with 0.01 3003 and 35, for more work in lmpar.
    real(wp), parameter, public :: bound_slack = 0.1_wp
    !> Where λ vanishes, this fraction of its upper bound takes its place (section 5). Ten times more or less changed none
    !> of MINPACK's 53 standard runs, and none of NIST's fits.
    real(wp), parameter, public :: least_fraction = 1.0e-3_wp
    !> Trial values of λ at most, for one step bound (MINPACK-1). 100 change none of these fits; 3 make NIST's take 2849
    !> evaluations, with one fit that doesn't end, and a single one 5025.
    integer(ip), parameter, public :: max_trials = 10_ip

    !> qrfac trusts a downdated column norm until 0.05 (ρ/ρ_ref)² falls to ε (MINPACK-1). Ten times more or less changed
    !> none of these fits.
    real(wp), parameter, public :: downdate_trust = 0.05_wp

    !> Rows of D that qrsolv folds together from order 64 on: each row of the triangle is read and written once for so
    !> many of them, and what multiplies them stays in registers. Eight take 11 to 14 % less time than four at n = 250 to
    !> 1000 (AVX-512), sixteen more. They change results by rounding.
    integer(ip), parameter, public :: many_rows = 8_ip, few_rows = 4_ip
    !> How long these rows may be, and how far apart they lie, in scratch of 62 KiB on the stack: a multiple of 4 KiB less
    !> 512 bytes, lest a processor take one for another.
    integer(ip), parameter, public :: long_row = 960_ip, longest_row = 1984_ip

    !> Values of the argument `mode` of the drivers.
    integer(ip), parameter, public :: mode_internal_scaling = 1_ip !! from the columns of the Jacobian
    integer(ip), parameter, public :: mode_user_scaling = 2_ip !! as `diag` has it on entry

end module minpack_constants
