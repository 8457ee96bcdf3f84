"""Eight floats at once in compiled loops, where the compiler does not find them by itself: neighbours in memory."""

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models, register_default
from numba.extending import intrinsic

LANES = 8


class _Floats(types.Type):
    def __init__(self) -> None:
        super().__init__(name="floats8")


floats8 = _Floats()
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


@register_default(_Floats)
class _FloatsModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


@intrinsic
def load(typingctx, array, index):
    """array[index : index + 8] of a flat, contiguous float32 array; bounds are the caller's to keep."""

    def generate(context, builder, signature, arguments):
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        loaded = builder.load(builder.bitcast(place, _VECTOR.as_pointer()))
        loaded.align = 4
        return loaded

    return floats8(array, index), generate


@intrinsic
def scaled(typingctx, vector, factor):
    """vector · factor, a float32."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(arguments[0], _everywhere(builder, arguments[1]))

    return floats8(vector, factor), generate


@intrinsic
def add_scaled(typingctx, total, vector, factor):
    """total + vector · factor, a float32."""

    def generate(context, builder, signature, arguments):
        total, vector, factor = arguments
        # `contract` lets the two become one fused instruction.
        product = builder.fmul(vector, _everywhere(builder, factor), flags=("contract",))
        return builder.fadd(total, product, flags=("contract",))

    return floats8(total, vector, factor), generate


@intrinsic(prefer_literal=True)
def lane(typingctx, vector, number):
    """One of the eight; the number must be a literal."""
    if not isinstance(number, types.IntegerLiteral):
        raise numba.TypingError("lane() takes a literal number")

    def generate(context, builder, signature, arguments):
        return builder.extract_element(arguments[0], ir.Constant(ir.IntType(32), number.literal_value))

    return types.float32(vector, number), generate


def _everywhere(builder, scalar):
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), mask)
