/**
 * The time zones that a North American area code may lie in. Only codes of a state or province are here; territories
 * with a code of their own are known to libphonenumber, and everything else may lie anywhere in the plan.
 *
 * From two public sources. Which state or province a code belongs to: libphonenumber, resources/geocoding/en/1.txt at
 * f7e3e88c92b9 (July 2026, Apache-2.0). Which zones these have: the tz database (2025c). Where a state has two clocks
 * and a code is not known to lie under one of them alone, both are here. People keep their numbers when they move: a
 * time zone that a contact was given always goes before this.
 */
const AREA_CODES: readonly (readonly [zones: string, codes: string])[] = [
  [
    'America/New_York',
    `201 202 207 212 215 216 220 223 227 229 231 234 239 240 248 252 260 267 269 272 276 283 301 302 304
     305 313 315 317 321 324 326 329 330 332 336 339 347 351 352 363 380 386 401 404 407 410 412 413 419
     434 440 443 445 463 470 472 475 478 484 502 508 513 516 517 518 540 551 561 567 570 571 582 585 586
     603 607 609 610 614 616 617 631 640 645 646 656 667 678 680 681 686 689 703 704 706 716 717 724 727
     728 732 734 740 743 754 757 762 770 771 772 774 781 786 802 803 804 810 813 814 821 826 828 835 838
     839 843 845 848 854 856 857 859 860 862 863 864 865 878 904 908 910 912 914 917 919 929 934 937 941
     943 947 948 954 959 973 978 980 984 989`,
  ],
  [
    'America/Chicago',
    `205 210 214 217 218 224 225 228 235 251 254 256 262 274 281 309 312 314 316 318 319 320 325 327 331
     334 337 346 353 361 405 409 414 417 430 447 464 469 479 501 504 507 512 515 534 539 557 563 572 573
     580 601 608 612 615 618 629 630 636 641 651 659 660 662 682 708 712 715 726 730 731 737 763 769 773
     779 806 815 816 817 830 832 847 870 872 901 903 913 918 920 936 938 940 945 952 956 972 975 979 985`,
  ],
  [
    'America/Los_Angeles',
    `206 209 213 253 279 323 341 350 360 369 408 415 424 425 442 503 509 510 530 559 562 564 619 626 628
     650 657 661 669 702 707 714 725 738 747 760 805 818 820 831 840 858 909 916 925 949 951 971`,
  ],
  [
    'America/Toronto',
    `226 249 263 289 343 354 365 382 416 437 438 450 468 514 519 548 579 613 647 683 705 742 753 819 873
     942`,
  ],
  ['America/New_York America/Chicago', '219 270 364 423 448 574 606 765 812 850 906 930 931'],
  ['America/Denver', '303 307 385 406 435 505 575 719 720 748 801 970 983'],
  ['America/Chicago America/Denver', '308 402 432 531 605 620 701 785 915'],
  ['America/Edmonton', '368 403 587 780 825'],
  ['America/Edmonton America/Vancouver America/Fort_Nelson', '236 250 257 672 778'],
  ['America/Denver America/Los_Angeles', '208 458 541 775 986'],
  ['America/Halifax', '428 506 782 902'],
  ['America/Phoenix', '480 520 602 623'],
  ['America/Toronto America/Halifax America/Blanc-Sablon', '367 418 581'],
  ['America/Winnipeg', '204 431 584'],
  ['America/Winnipeg America/Edmonton America/Regina', '306 474 639'],
  ['America/Halifax America/St_Johns', '709 879'],
  ['America/Anchorage America/Adak', '907'],
  ['Pacific/Honolulu', '808'],
  ['America/Denver America/Phoenix', '928'],
  ['America/Whitehorse America/Edmonton America/Winnipeg America/Coral_Harbour America/Toronto', '867'],
  ['America/Toronto America/Winnipeg America/Coral_Harbour', '807'],
  ['America/Vancouver', '604'],
];

let zonesByCode: Map<string, readonly string[]> | null = null;

/** `code`: the three digits after +1. Null: nothing is known of it. */
export function zonesOfAreaCode(code: string): readonly string[] | null {
  if (zonesByCode === null) {
    zonesByCode = new Map();
    for (const [zones, codes] of AREA_CODES) {
      const list = zones.split(' ');
      for (const one of codes.split(/\s+/)) zonesByCode.set(one, list);
    }
  }
  return zonesByCode.get(code) ?? null;
}
