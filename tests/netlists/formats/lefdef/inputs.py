"""A small library and a small design, as tests of LEF and DEF vary them."""

from __future__ import annotations

from pathlib import Path

LEF = """VERSION 5.8 ;
BUSBITCHARS "[]" ;
DIVIDERCHAR "/" ;
UNITS
  DATABASE MICRONS 1000 ;
END UNITS
MANUFACTURINGGRID 0.005 ;
PROPERTYDEFINITIONS
  LAYER LEF58_TYPE STRING ;
END PROPERTYDEFINITIONS
LAYER M1
  TYPE ROUTING ;
  DIRECTION HORIZONTAL ;
  PITCH 0.2 ;
  WIDTH 0.1 ;
END M1
LAYER V1
  TYPE CUT ;
END V1
LAYER M2
  TYPE ROUTING ;
  DIRECTION VERTICAL ;
  PITCH 0.25 0.2 ;
  WIDTH 0.1 ;
  PROPERTY LEF58_TYPE "TYPE POLYROUTING ;
    of two lines ;" ;
END M2
LAYER M3
  TYPE ROUTING ;
  DIRECTION HORIZONTAL ;
  PITCH 0.5 ;
END M3
VIA V12 DEFAULT
  LAYER M1 ;
    RECT -0.05 -0.05 0.05 0.05 ;
END V12
SITE core
  CLASS CORE ;
  SYMMETRY Y ;
  SIZE 0.5 BY 2 ;
END core
MACRO RAM   # a block whose pin lies off every axis of symmetry
  CLASS BLOCK ;
  FOREIGN RAM 0 0 ;
  ORIGIN 1 2 ;
  SIZE 20 BY 10 ;
  SYMMETRY X Y R90 ;
  PIN A[0]
    DIRECTION INPUT ;
    USE SIGNAL ;
    PORT
      LAYER M2 ;
      RECT 2 5 4 7 ;
    END
  END A[0]
  PIN Q
    DIRECTION OUTPUT TRISTATE ;
    PORT
      LAYER M2 ;
      WIDTH 2 ;
      PATH 18 0 18 2 ;
    END
  END Q
  PIN VDD
    DIRECTION INOUT ;
    USE POWER ;
  END VDD
  OBS
    LAYER M2 ;
    RECT -1 -2 19 8 ;
    LAYER M3 ;
    RECT ITERATE -1 -2 0 8 DO 5 BY 1 STEP 2 0 ;
  END
END RAM
MACRO INV
  CLASS CORE ;
  SIZE 1 BY 2 ;
  SITE core ;
  PIN A
    DIRECTION INPUT ;
    PORT
      LAYER M1 ;
      POLYGON 0 0 0.4 0 0.4 1 0 1 ;
    END
  END A
  PIN Y
    DIRECTION OUTPUT ;
    PORT
      LAYER M1 ;
      RECT 0.6 0 1 1 ;
    END
  END Y
END INV
END LIBRARY
"""

DEF = """# a floorplan
VERSION 5.8 ;
DIVIDERCHAR "/" ;
BUSBITCHARS "[]" ;
DESIGN chip ;
UNITS DISTANCE MICRONS 1000 ;
DIEAREA ( 1000 2000 ) ( 101000 82000 ) ;
ROW r0 core 11000 12000 N DO 160 BY 1 STEP 500 0 ;
ROW r1 core 11000 14000 FS DO 160 BY 1 STEP 500 0 ;
TRACKS X 100 DO 400 STEP 250 LAYER M2 ;
TRACKS Y 100 DO 200 STEP 400 LAYER M3 ;
GCELLGRID X 0 DO 10 STEP 1000 ;
COMPONENTS 5 ;
- mem/ram\\[0\\] RAM + UNPLACED + HALO 1000 2000 3000 4000 ;
- mem/ram1 RAM + SOURCE USER
  + PLACED ( 21000 22000 ) FS + PROPERTY note "a ; b" ;
- u1 INV ;
- u2 INV + FIXED ( 11000 12000 ) N ;
- mem/ram2 RAM + FIXED ( 51000 42000 ) W ;
END COMPONENTS
PINS 2 ;
- in + NET n0 + DIRECTION INPUT + USE SIGNAL
  + PORT + LAYER M2 ( -50 0 ) ( 50 100 ) + PLACED ( 1000 40000 ) E ;
- out + NET n2 + DIRECTION OUTPUT + USE SIGNAL ;
END PINS
BLOCKAGES 2 ;
- PLACEMENT + SOFT RECT ( 0 0 ) ( 10 10 ) RECT ( 20 20 ) ( 30 30 ) ;
- LAYER M2 + SLOTS RECT ( 0 0 ) ( 10 10 ) ;
END BLOCKAGES
REGIONS 1 ;
- left ( 0 0 ) ( 50000 80000 ) + TYPE FENCE ;
END REGIONS
GROUPS 1 ;
- mems mem/* + REGION left ;
END GROUPS
SPECIALNETS 1 ;
- VDD ( * VDD ) + USE POWER + ROUTED M2 100 ( 0 0 ) ( 100 * ) ;
END SPECIALNETS
NETS 4 ;
- n0 ( PIN in ) ( mem/ram\\[0\\] A[0] ) ( u1 A ) + USE SIGNAL ;
- n1 ( mem/ram1 A[0] ) ( u1 Y + SYNTHESIZED ) + WEIGHT 3 ;
- n2 ( PIN out ) ( mem/ram1 Q ) ( mem/ram2 A[0] ) + ROUTED M2 ( 0 0 ) ( 0 100 ) V12 ;
- VSS ( u1 A ) + USE GROUND ;
END NETS
END DESIGN
"""


def write(folder: Path, def_text: str = DEF, lef_text: str = LEF) -> tuple[Path, Path]:
    """Both files in a folder: the DEF, then the LEF."""
    design, library = folder / "chip.def", folder / "chip.lef"
    design.write_text(def_text)
    library.write_text(lef_text)
    return design, library
