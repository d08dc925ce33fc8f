"""The words by which a prompt's field of knowledge and kind of task are recognised.

Written by hand from general knowledge, all in lower case; a plural in -s is understood. A word may
stand in several lists. The order of the lists is the order of features in a model file: whoever
changes a list changes what every trained model means, and must raise `FEATURE_VERSION`.
"""

from collections.abc import Mapping
from types import MappingProxyType

#: Fields of knowledge and kinds of task. The key ends up in reasons: "vocabulary of <key>".
FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "algebra": """
polynomial matrix matrices eigenvalue eigenvector determinant vector subspace basis rank abelian
subgroup group order cyclic generator ring field ideal isomorphism isomorphic homomorphism kernel
permutation modulo mod prime integer divisor divisible gcd factorization root quadratic cubic
coefficient equation inequality sequence arithmetic geometric logarithm log exponent remainder
digit real complex rational irrational positive negative solve polynomials identity operation
associative commutative""",
        "calculus": """
derivative integral integrate differentiate differentiable differential continuous continuity limit
converge converges convergent diverge diverges gradient tangent slope maximum minimum maximize
minimize interval domain range bounded monotonic topology compact metric asymptote curve function
sin cos tan sine cosine theta infinity series region curl divergence jacobian""",
        "geometry": """
triangle circle radius radii diameter angle degree perpendicular parallel polygon square rectangle
rectangular cube sphere cone cylinder trapezoid parallelogram hypotenuse perimeter circumference
area volume vertex vertices chord inscribed circumscribed coordinate midpoint bisector altitude
hexagon pentagon pyramid prism isosceles equilateral overline triangle side length""",
        "statistics": """
probability random variance deviation mean median mode distribution normal gaussian sample sampling
regression correlation hypothesis estimator significance confidence variable dice die coin binomial
expected poisson likelihood bias residual percentile quartile survey population bayes bayesian
heteroscedasticity autocorrelation stationary exogenous endogenous ols dependent independent test
chance lag multicollinearity skewed outlier histogram scatterplot""",
        "everyday arithmetic": """
many much total altogether cost costs price dozen bought buys buy sells sold sell pays paid pay
earns earn earned spent spends spend left remaining gave gives apple orange cookie candy candies egg
pencil book toy ticket minute hour day week month mile dollar cent percent average older younger
twice half third quarter more fewer less than each every per speed rate tip discount wages wage
savings saved""",
        "physics": """
velocity acceleration accelerate force mass momentum energy kinetic potential gravity gravitational
friction newton joule watt work power voltage volt current ampere resistor resistance ohm capacitor
inductor magnetic magnet field electric charge charged photon electron proton neutron wavelength
frequency wave lens mirror refraction reflection interference diffraction pendulum torque pressure
temperature heat thermal thermodynamic entropy quantum nucleus nuclear radioactive relativity
particle light speed sound optical laser spring projectile collision buoyant satellite ideal gas
kelvin orbit photoelectric spin hamiltonian wavefunction""",
        "chemistry": """
mole molar molarity molality molecule molecular atom atomic ion ionic acid acidic base basic ph pka
buffer oxidation oxidized reduction redox electrolyte electrolysis enthalpy gibbs catalyst reaction
reactant equilibrium solution solute solvent soluble solubility titration titrated compound hydrogen
oxygen nitrogen carbon sodium chloride chlorine sulfur sulfate hydroxide potassium calcium ammonia
nitrate nmr isotope orbital bond covalent polar boiling melting freezing gas liquid vapor gram liter
ml precipitate aqueous stoichiometry periodic element formula ligand benzene alkene methyl ethyl
carbonyl ester polymer spectrum hybridization atm""",
        "biology": """
cell membrane protein amino dna rna mrna gene genetic genome allele chromosome mitosis meiosis
evolution evolutionary species selection organism ecosystem ecology photosynthesis chlorophyll
chloroplast mitochondria mitochondrial enzyme substrate bacteria bacterial bacterium fungi plant
animal mammal bird insect predator prey population phenotype genotype dominant recessive offspring
mutation ribosome transcription translation tissue leaf seed root flower pollen embryo fitness
adaptation habitat niche eukaryotic prokaryotic receptor inheritance inherited autosomal linkage
pcr sequencing cytoplasm glucose atp fermentation respiration""",
        "anatomy": """
nerve artery arteries vein muscle bone skull spinal cord brain cortex heart cardiac ventricle lung
liver hepatic kidney renal stomach intestine intestinal bladder thyroid gland pituitary adrenal
cranial lymph tendon ligament joint anterior posterior lateral medial superior inferior tooth teeth
dental mandible maxillary tongue palate pharynx eye retina ear skin hormone hormonal blood plasma
vertebra vertebrae femur humerus foramen innervated sympathetic""",
        "clinical medicine": """
patient year old physician doctor diagnosis diagnosed diagnostic symptom sign disease disorder
treatment treated therapy drug dose dosage clinical examination pain fever infection infected
chronic acute syndrome cancer tumor carcinoma diabetes diabetic hypertension medication antibiotic
vaccine surgery surgical hospital nurse emergency pulse mmhg mg serum laboratory biopsy lesion
pregnant pregnancy newborn infant vomiting nausea cough dyspnea edema murmur ultrasound ct mri
prognosis complications inhibitor presents admitted catheter wound""",
        "public health": """
virus viral hiv aids hepatitis influenza measles ebola herpes polio epidemic pandemic outbreak
transmission transmitted immune immunity antibody antibodies antigen vitamin nutrition nutrient
nutritional dietary diet calorie fat fatty obesity obese cholesterol protein fiber iron zinc
deficiency intake aging ageing elderly age older alzheimer dementia longevity smoking smoker alcohol
mortality prevalence health healthy exercise hygiene sanitation tobacco""",
        "law": """
court plaintiff defendant contract statute jury negligence negligent liability liable tort murder
manslaughter felony criminal crime burglary robbery evidence constitutional constitution amendment
clause attorney lawyer judge judgment appeal landlord tenant lease property deed easement mortgage
conveyed seller buyer breach damages offer acceptance consideration trial witness testify testimony
jurisdiction sued sues suit lawsuit police arrested warrant guilty conviction convicted prosecution
defense hearsay admissible motion claim recover injunction trespass""",
        "jurisprudence and international law": """
treaty treaties sovereignty sovereign state convention icj tribunal customary jus cogens lawful
unlawful legal legality jurisprudence jurist positivism positivist natural hart dworkin kelsen
austin justice reservation consent immunity diplomatic immunities territorial territory sea
refugee extradition ratify ratified norm obligation charter article rule""",
        "philosophy": """
philosophy philosopher kant kantian aristotle plato socrates descartes hume locke hobbes nietzsche
mill utilitarian utilitarianism consequentialism deontological virtue ethics epistemology
epistemological metaphysics metaphysical existence ontological skepticism empiricism rationalism
dualism mind consciousness knowledge belief truth free will determinism duty autonomy reason
rational happiness pleasure good evil stoic epicurus parfit nozick rawls""",
        "ethics": """
moral morally morality immoral ethical unethical wrong right permissible obligation obligatory
blame praise abortion euthanasia punishment penalty torture drug animal singer thomson fetus
genetic enhancement affirmative action pornography censorship war killing harm interest person
argument argues objection dignity scenario intuition cloning""",
        "religion": """
god gods goddess religion religious buddhism buddhist buddha hindu hinduism vedas brahman islam
islamic muslim quran muhammad caliph christian christianity church jesus christ bible biblical
gospel jewish judaism torah rabbi temple monk sikh sikhism guru confucius confucian daoism dao
taoism tao shinto kami sacred ritual prayer worship scripture salvation dharma karma nirvana priest
pope catholic protestant jain jainism meditation pilgrimage prophet soul""",
        "history": """
century war battle empire imperial king queen monarch monarchy revolution revolutionary colonial
colony colonies colonist emperor dynasty medieval reign french british england britain france
germany german soviet russia russian ottoman china japan spain spanish nazi slavery slave napoleon
lenin stalin hitler bourbon reformation renaissance enlightenment industrial peasant aristocracy
nobility passage excerpt historian abolition reconstruction crusade feudal nationalism socialism
parliament""",
        "prehistory and archaeology": """
archaeological archaeologist archaeology neolithic paleolithic pleistocene holocene mesolithic
hominid hominin homo sapiens erectus neanderthal australopithecus fossil excavation artifact burial
mound pottery maya mayan aztec inca olmec mesopotamia sumerian egyptian egypt pharaoh indus minoan
mycenaean hunter gatherer foraging domestication domesticated maize ancient site
tomb civilization pyramid ceremonial settlement bronze stone tool ago bp""",
        "politics": """
government president presidential congress congressional senate senator supreme vote voter voting
election electoral party democrat democratic republican federal federalism governor policy policies
political politics democracy legislation legislative legislature bill veto campaign lobby
bureaucracy executive judicial civil right citizen liberal conservative ideology primary caucus
constituent approval partisan""",
        "international relations": """
foreign security military nuclear weapon terrorism terrorist deterrence alliance nato un diplomacy
diplomatic conflict regime realism realist hegemony cold soviet containment doctrine intervention
peacekeeping sanctions arms proliferation strategic strategy threat bush reagan truman kennedy
clinton obama iraq iran afghanistan vietnam global globalization geopolitical human insecurity
superpower""",
        "economics": """
demand supply price elasticity elastic inelastic inflation deflation unemployment gdp monetary
fiscal tax taxes interest rate bank reserve currency exchange trade tariff imports exports export
import market competition competitive competitor monopoly monopolist oligopoly marginal cost revenue
profit utility consumer producer surplus deficit aggregate curve money nominal real income
equilibrium productivity output keynesian classical labor wage recession quantity good subsidy
externality investment spending multiplier ceiling""",
        "accounting and finance": """
accounting accountant audit auditor balance sheet asset liability equity depreciation depreciated
inventory revenue expense cash statement financial shareholder stock bond dividend share common
preferred gaap fasb taxable deduction partnership partner corporation annual maturity coupon
discount premium note receivable payable invested invest loan mortgage compounded compound principal
yield capital ledger journal debit credit par portfolio option gross net invoice overhead budget
payroll insurance""",
        "business and marketing": """
marketing brand branding customer product advertising advertisement promotion promotional sales
organization organizational organisation management manager managerial leadership leader employee
employees employer company companies firm business strategic strategy segmentation targeting
positioning public relations media communication message stakeholder corporate supply chain team
motivation motivate structure culture planning decision entrepreneur retailer distribution
channel competitive advantage matrix mission buying""",
        "psychology": """
behavior behaviour behavioral cognitive cognition psychology psychological psychologist therapist
counselor freud freudian jung piaget erikson skinner pavlov conditioning reinforcement reinforced
stimulus memory recall perception personality anxiety depression depressed schizophrenia child
children adolescent development developmental attachment self esteem emotion emotional intelligence
iq attitude research participant experiment learning response motivation sleep client school
teacher student assessment""",
        "sociology and sexuality": """
social society societies sociology sociologist sociological gender sex sexual sexuality women woman
men man male female group class identity norm family marriage married divorce inequality race racial
ethnic ethnicity stratification capitalism marx marxist weber durkheim parsons deviance urban
orgasm contraceptive homosexual lesbian intercourse partner poverty culture cultural status
institution patriarchy feminist community power""",
        "computing": """
algorithm complexity data structure tree graph node edge stack queue array pointer binary bit byte
memory cpu processor cache operating system process thread scheduling compiler program programmer
programming database table network protocol tcp ip packet router server language software hardware
computer recursion recursive loop variable java python javascript turing automaton regular
grammar parser pipeline instruction register floating concurrency deadlock boolean""",
        "machine learning": """
machine learning neural network classifier classification training train trained test validation
kernel svm gradient descent overfitting underfitting regularization ridge lasso perceptron
clustering supervised unsupervised bayesian feature label layer convolutional attention
transformer embedding loss softmax relu bias variance dataset model decision boundary ensemble
boosting reinforcement reward policy bert imagenet resnet""",
        "computer security": """
attack attacker hacker malware virus worm ransomware encryption encrypted encrypt decrypt cipher
cryptography cryptographic key password vulnerability vulnerabilities exploit firewall buffer
overflow injection xss sql phishing authentication authenticate tls ssl https rsa aes hash signature
certificate penetration wireless trojan bot spoofing security secure privacy tor ddos token sandbox
fuzzing""",
        "engineering": """
circuit transistor diode amplifier voltage motor generator turbine engine beam stress strain shear
load steel concrete pipe flow fluid viscosity reynolds exchanger compressor compressed efficiency
power impedance transformer armature winding coil conductor dielectric signal bandwidth modulation
digital gate flop logic control feedback transfer filter hp rpm psi btu lbm ft inch dc ac phase
tolerance weld bearing gear laplace fourier""",
        "earth and space": """
planet earth sun solar moon lunar star stellar galaxy galaxies universe orbit telescope mars jupiter
venus mercury saturn neptune asteroid comet astronomer astronomical big bang ocean climate river
mountain continent country countries population world africa african asia asian europe european
latitude geography geographic region urban agriculture agricultural crop soil rock earthquake
volcano volcanic atmosphere city cities migration density map""",
        "logic": """
fallacy fallacies premise conclusion valid invalid validity argument proposition propositional
predicate quantifier tautology tautological contradiction contingent equivalent consistent
inconsistent counterexample implies implication iff therefore hominem ad ignorantiam populum appeal
syllogism deductive inductive antecedent consequent conjunction disjunction negation conditional
truth table pl symbolization translate translation formula wff true false knight knave""",
        "writing": """
write writing rewrite essay poem poetry haiku story letter email paragraph sentence translate
english french spanish german italian summarize summary summarise summarizing article blog post tone
formal informal grammar proofread edit draft headline caption tweet slogan speech script novel
rephrase paraphrase title title bullet polish shorten creative narrator character plot lyric
announcement""",
        "extraction": """
extract list json xml csv yaml table format formatted output classify classify label category
categories sentiment identify name date keyword document text entity entities convert parse schema
value tag bullet return field only following given below above fill column row record invoice
address phone""",
        "conversation": """
hello hi hey thanks thank please joke fun recommend suggestion suggest favorite favourite weather
movie music song recipe dinner lunch birthday gift weekend trip travel morning afternoon evening you
your me my we us can could would like help tell today feel friend bye okay ok sorry nice idea advice
""",
        "proof": """
prove proof show derive derivation theorem lemma corollary conjecture induction rigorous rigorously
deduce justify verify explain why compute determine evaluate find calculate smallest largest least
greatest exactly distinct satisfying satisfy satisfies such let suppose assume denote respectively
terms express simplify possible ordered pair""",
        "programming": """
def return class import function print self lambda elif for while len str int dict append assert
none null const var let public static void private string boolean async await select from where join
implement implementation debug debugging bug error exception traceback refactor unit tests regex api
endpoint library method input output code snippet script sort sorted loop parameter argument type
python java javascript typescript rust golang sql bash html css react django docker kubernetes
compile runtime stdin""",
        "planning and analysis": """
plan design architecture compare comparison tradeoff analyze analyse analysis evaluate
strategy optimize optimise optimization optimal constraint constraints schedule step reasoning
investigate cause root impact consider scenario requirement migrate migration scale scalable latency
throughput risk estimate assess recommend pros cons roadmap proposal critique hypothesis
implications
""",
    }
)

#: Small words that say how a question is put. The keys name scalar features.
CUES: Mapping[str, str] = MappingProxyType(
    {
        "negation": "not except no least never cannot false incorrect without isn don doesn",
        "interrogative": "which what how why who when where whose",
        "quantifier": "if all some only every any none no unless either both neither exactly",
        "superlative": "best most least likely primarily mainly probably correct true incorrect",
        "step": "then after before remaining left each every total twice half percent per times"
        " more less than first second next finally another rest",
        "pronoun": "he she his her him they them their you your my i we our me us",
        "enumerator": "i ii iii iv",
        "loop": "for while",
        "branch": "if elif else case switch except try",
        "function_word": "the of a an in to and is that for it on with as by are be this from or"
        " was were at which has had have its into",
        "reference": "following statement above below passage according",
    }
)
