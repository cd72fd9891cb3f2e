"""The constants of the detector, in one place: kernels take a `Detector`, nothing is written into them.

Sources: *card* are the public Delphes CMS cards and CMS papers as collected in the project's ``detector.md``;
*PFNano* is what ten public 2017 simulated events in the PFNano layout show; *adjusted* was moved so that jets meet
the targets of CMS (raw response, resolution, composition), and only for that. Energies in GeV, lengths in cm unless
said otherwise. numba's cache knows this tuple by its name and length alone: whoever moves or renames a field removes
``training/simulate/__pycache__``.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DETECTOR", "HADRON_RESOLUTION", "Detector"]


class Detector(NamedTuple):
    """A parametrised CMS-like detector. All fields are floats, so that numba sees one plain tuple."""

    # Geometry (card).
    radius: float = 129.0
    half_length: float = 300.0
    curvature: float = 0.0114  # pT [GeV] / bending radius [cm] at 3.8 T: 0.003 * 3.8
    tracker_eta: float = 2.5
    barrel_eta: float = 1.5
    hf_eta: float = 2.964  # the forward calorimeter takes over (CMS: 2.85 to 3.0 overlap)
    edge_eta: float = 5.191

    # Tracks. Efficiencies: card. A hadron interacts in the tracker's material: part of the 5 % and 15 % that are lost.
    track_min_pt: float = 0.12  # below, nothing is reconstructed
    # Adjusted upwards from the card's 0.70, 0.60, 0.95, 0.85, which count nuclear interactions whose products particle
    # flow recovers: jets had 57 % of their energy in charged hadrons, CMS 65 %, still 60 % with 0.90, 0.78, 0.98, 0.93,
    # and 59.9 % at |eta| below 1.3 with 0.955 and 0.99, as photons lose nothing at the HCAL's crack.
    eff_soft_central: float = 0.97
    eff_soft_forward: float = 0.84
    eff_hard_central: float = 0.994
    eff_hard_forward: float = 0.95
    # Tracks above 1 GeV within 0.02 x 0.02 before pixel hits merge; the loss of every further one (adjusted: shape of
    # the CMS tracking efficiency in jet cores, which falls to about 0.7 at 1 TeV).
    dense_free: float = 2.0
    dense_loss: float = 0.025
    # sigma(pT)/pT = a (+) b pT, growing with eta^2: about 1 % at 10 GeV centrally and 2 to 3 % at |eta| 2.4
    # (CMS, JINST 9 (2014) P10009); the card's 0.06 is far worse than the detector.
    track_a: float = 0.008
    track_b: float = 0.00015
    track_eta: float = 0.25
    angle_error: float = 0.0005
    # Products of interactions in the tracker's material and wrongly built tracks: share below 4 GeV, falling beyond. In
    # PFNano 10 % of the pions below 5 GeV in jets have |d0| above 2 mm, most of them no decay's; CHS keeps them of
    # pileup too, so that jets hold more than the share of all tracks. Adjusted down to the L1 offset at eta 0, which
    # was 5.8 GeV where CMS has 3.6 (4.4 with 0.08): with 0.13 CHS left a quarter of the charged pileup.
    track_secondary: float = 0.06

    radius_pixel: float = 16.0  # beyond the last pixel layer a displaced track is found seldom
    radius_tracker: float = 50.0  # beyond this no track is found

    # Electromagnetic calorimeter: sigma_E = constant E (+) stochastic sqrt(E) (+) noise. CMS test beams give 0.3 %,
    # 2.8 %, 0.12 GeV; material makes it worse. The card's 0.40 GeV noise per cell would hide the soft photons that
    # PFNano shows.
    ecal_constant: float = 0.010
    ecal_stochastic: float = 0.05
    ecal_noise: float = 0.10
    ecal_forward: float = 2.5  # factor on all three beyond |eta| 1.5
    # Photons convert in the tracker's material, 0.4 radiation lengths at eta 0, 1.9 at 1.5, 1.4 at 2.5 (CMS, JINST 3
    # (2008) S08004); the pair is spread by the field and its softest part is lost: pT / (pT + conversion_loss) is seen.
    conversion_loss: float = 1.6  # adjusted: raw response at 15 GeV, resolution below 50 GeV, photons' share of a jet
    # Hadrons. em fraction of a shower 1 - E^(k-1) (Groom; Wigmans), response h/e below 1: non-linear.
    hadron_power: float = 0.80
    hadron_h_over_e: float = 0.45
    hadron_norm: float = 1.12
    response_scale: float = 1.0  # Settings.hadron_response_scale
    # sigma_E = constant E (+) stochastic sqrt(E) (+) noise, in the barrel times 1 + growth eta^2 (the card's ECAL has
    # that form). Card: 1.5 for HCAL cells. All adjusted until jets had the resolution of CMS (JER of Summer19UL18) and
    # of the reference thesis at 30 GeV to 1 TeV. The noise stands for what is lacking (shower spread, confusion of
    # clusters, out-of-time pileup) and does not grow with energy: without it and with a stochastic term of 2.0 (3.4 in
    # the endcap), jets of 30 to 100 GeV were 10 to 20 % too good and those above 280 GeV 20 % too poor; the stochastic
    # term of the tracks' sum is the threshold of neutral excesses too, and 2.0 hid neutral hadrons in the cores of hard
    # jets. It has a growth of its own: with 0.42 for all, jets of 30 to 50 GeV were 22 % too good at |eta| 1.1 to 1.3,
    # those above 200 GeV were not; with 5 GeV in the endcap jets of 30 to 100 GeV were 14 to 18 % too good.
    hadron_stochastic: float = 1.55
    hadron_constant: float = 0.03
    hadron_growth: float = 0.42
    hadron_noise: float = 3.0
    hadron_noise_growth: float = 1.0
    hadron_stochastic_endcap: float = 3.0
    hadron_constant_endcap: float = 0.04
    hadron_noise_endcap: float = 7.0
    # From the tracker's edge to the forward calorimeter: jets above 130 GeV were 20 to 30 % too poor with 2.5 and 0.05,
    # and still 15 to 35 % (thesis) with a noise of 10.
    hadron_stochastic_gap: float = 1.4
    hadron_constant_gap: float = 0.02
    hadron_noise_gap: float = 6.0
    # Cables and supports between the HCAL's barrel and endcap, and the gap between endcap and forward calorimeter:
    # hadrons lose 0 to twice loss exp(-|eta - crack_eta| / width) of their energy, all particles at the second.
    # Adjusted to the JER at |eta| 1.1 to 1.7 (25 to 40 % too good at all momenta) and 2.8 to 3.2 (20 to 45 %);
    # with 0.40 and 0.12 at the second, jets above 200 GeV were too poor from |eta| 2.7 on.
    crack_eta: float = 1.3
    crack_width: float = 0.12
    crack_loss: float = 0.30
    edge_loss: float = 0.45
    edge_width: float = 0.09
    # The ECAL lies before the HCAL's crack and has one of its own, |eta| 1.44 to 1.57 (CMS, JINST 3 (2008) S08004),
    # where CMS measures no photon: photons and electrons lose energy there. They lost it at the HCAL's: at |eta| 1.1 to
    # 1.3 photons of 75 to 1500 GeV were seen with 0.87 to 0.90 of their energy on average.
    ecal_crack_eta: float = 1.5
    ecal_crack_width: float = 0.03
    ecal_crack_loss: float = 0.15
    ecal_mip_probability: float = 0.5  # no nuclear interaction in the ECAL's one interaction length
    ecal_mip: float = 0.25
    ecal_share: float = 0.38  # mean fraction of a hadron's energy that stays in the ECAL if it interacts there
    # Adjusted to the raw response at eta 2.0, which CMS sees rise to 0.954 at 1 TeV: factor on hadrons, 1.5 to 2.5, and
    # its relative rise with log(E / pivot).
    endcap_response: float = 0.885
    endcap_rise: float = 0.035
    endcap_pivot: float = 20.0
    # From 2.5 to hf_eta, where there are no tracks: factors on hadrons, with their rise, and on photons. Adjusted, with
    # the thresholds below, to CMS's raw response at eta 2.5 to 2.85, 0.68 to 0.74 at 30 GeV and 0.90 at 300 GeV. With
    # 0.90, 0.035 and 0.90 it was 0.80 to 0.86 at 300 GeV, so that a jet across the tracker's edge was measured with two
    # scales; a steeper rise (0.06) reached 0.90, but widened jets of 180 to 450 GeV by a fifth: thresholds, which
    # hard hadrons do not feel, take the energy of soft jets instead.
    gap_response: float = 0.96
    gap_rise: float = 0.02
    gap_em_response: float = 1.0

    # Forward calorimeter (card: 0.13 and 2.70 for hadrons, 0.107 and 2.08 for photons).
    hf_em_constant: float = 0.107
    hf_em_stochastic: float = 2.08
    # Hadrons adjusted upwards: jets of 40 to 140 GeV were 17 to 22 % too good at |eta| 3.2 to 4.7.
    hf_had_constant: float = 0.13
    hf_had_stochastic: float = 3.40
    hf_response: float = 1.01  # adjusted
    hf_em_share: float = 0.30  # mean share of a hadron's energy that showers early, as a photon's does
    # A tower's hadronic energy hides this much of its electromagnetic one, as the difference of long and short fibres
    # does.
    hf_mixing: float = 1.2

    # Thresholds on clusters (PFNano: smallest energies seen).
    ecal_threshold: float = 0.22
    ecal_threshold_forward: float = 0.8
    # Softer clusters are found seldom: 1 - exp(-(E / threshold - 1) / turn-on). Adjusted to PFNano's photons an event.
    ecal_turn_on: float = 1.3
    ecal_turn_on_forward: float = 2.5
    ecal_threshold_gap: float = 4.2
    # Adjusted upwards from PFNano's smallest neutral hadrons, 1.0 and 1.5 GeV: the neutral density of the tracker's
    # region, CMS's fixedGridRhoFastjetCentralNeutral over fixedGridRhoFastjetAll, is 0.23 (UL 2018), was 0.27 here.
    hcal_threshold: float = 2.0
    hcal_threshold_forward: float = 3.9  # neutral hadrons' share of a jet at |eta| 1.3 to 2.5 was 0.15
    # Beyond the tracker (adjusted).
    hcal_threshold_gap: float = 9.0
    hf_had_threshold: float = 3.3
    hf_em_threshold: float = 1.4

    # Particle flow. The calibration divides by response(E)^completeness response(reference)^(1 - completeness).
    calibration_completeness: float = 0.5
    calibration_reference: float = 1000.0
    # A neutral hadron takes an excess over the tracks of excess_sigmas (1 + exp(-E / excess_energy)) sigma: CMSSW's
    # PFAlgo::nSigmaHCAL, which asks for two sigma of soft clusters, one of hard ones. A fixed 1.15 made 13 to 17 % of a
    # jet neutral hadrons (CMS: 10 %), and so pileup that CHS had removed came back.
    excess_sigmas: float = 1.0
    excess_energy: float = 100.0
    electron_efficiency: float = 0.90
    muon_efficiency: float = 0.97

    # Primary vertices and association (PFNano: about 0.72 vertices an interaction, quality codes by pT).
    vertex_merge: float = 0.03  # interactions nearer than this to the primary vertex are one with it
    vertex_efficiency: float = 0.97
    vertex_pull: float = 1.35  # width of the pulls of dz: the vertex' own error is not in the track's (PFNano)
    vertex_unused: float = 0.09  # tracks that fit the primary vertex and are not used in it (PFNano)
    # The same below 0.5 GeV, adjusted: of PFNano's 71 tracks there, in jets of 15 to 150 GeV, 6 have quality 7; of ours
    # 37 % had.
    vertex_unused_soft: float = 0.75
    # The same of pileup's vertices, adjusted with track_secondary to the L1 offset at eta 0: with 0.09 jets had twice
    # PFNano's tracks of 0.5 to 2 GeV with |dz| above and |d0| below 1 mm.
    vertex_unused_pileup: float = 0.01

    # Secondary vertices.
    # Adjusted to PFNano's vertices a jet: of b 0.9 to 1.2, c 0.3 to 0.7, light 0.2 (tt, 20 to 150 GeV), 1.9 (1.4 TeV).
    sv_efficiency: float = 0.95
    sv_fakes: float = 0.018  # a track, times the root of its neighbours


DETECTOR = Detector()

HADRON_RESOLUTION = tuple(
    name
    for name in Detector._fields
    if name.startswith(("hadron_stochastic", "hadron_constant", "hadron_noise", "hf_had_stochastic", "hf_had_constant"))
    and not name.endswith("growth")
)
"""The terms of the calorimeters' resolution for hadrons."""
